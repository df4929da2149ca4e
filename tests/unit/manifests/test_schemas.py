"""Strict validation, of the overlays and of objects that are wrong in one place each."""

import copy
from typing import Any

import pytest
import yaml

from .conftest import require_crds
from .objects import Object
from .render import Render
from .schemas import (
    NEWEST_KUBERNETES,
    OLDEST_KUBERNETES,
    OWN_SCHEMAS,
    Crds,
    built_in_complaints,
    closed,
    custom_complaints,
    is_built_in,
    own_crds,
)


@pytest.mark.parametrize("kubernetes", [OLDEST_KUBERNETES, NEWEST_KUBERNETES])
def test_built_in_kinds_validate(overlay: Render, kubernetes: str) -> None:
    checked = [item for item in overlay.objects if is_built_in(item)]
    assert checked
    assert_none(complaint for item in checked for complaint in built_in_complaints(item, kubernetes))


def test_custom_kinds_validate(overlay: Render, crds: Crds) -> None:
    checked = [item for item in overlay.objects if not is_built_in(item)]
    assert checked
    assert_none(complaint for item in checked for complaint in custom_complaints(item, crds, own_crds()))


def test_kinds_of_our_own_definitions_validate(overlay: Render) -> None:
    checked = [item for item in overlay.objects if own_crds().defines(item)]
    assert_none(complaint for item in checked for complaint in custom_complaints(item, own_crds()))


def assert_none(complaints: Any) -> None:
    found = [str(complaint) for complaint in complaints]
    if found:
        pytest.fail("\n" + "\n".join(found), pytrace=False)


def test_a_laptop_without_definitions_skips_and_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDIAREVIEW_CRDS", raising=False)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="MEDIAREVIEW_CRDS names no folder"):
        require_crds()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="MEDIAREVIEW_CRDS names no folder"):
        require_crds()


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: mediareview}
spec:
  replicas: 1
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
        - name: api
          image: mediareview/api:0.1.0
          resources: {limits: {memory: 1Gi}}
"""


def test_a_correct_deployment_is_accepted() -> None:
    assert said(built_in_complaints(yaml.safe_load(DEPLOYMENT), OLDEST_KUBERNETES)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "where", "what"),
    [
        ("replicas: 1", "replica: 1", "spec: ", "('replica' was unexpected)"),
        ("replicas: 1", "replicas: one", "spec.replicas: ", "'one' is not of type 'integer'"),
        ("limits: {", "limit: {", "spec.template.spec.containers[0].resources: ", "('limit' was unexpected)"),
        ("- name: api\n", "- names: api\n", "spec.template.spec.containers[0]: ", "('names' was unexpected)"),
        ("  selector: {matchLabels: {app: api}}\n", "", "spec: ", "'selector' is a required property"),
        ("apps/v1", "apps/v1beta1", "apiVersion: ", "Kubernetes 1.30 has no apps/v1beta1 Deployment"),
    ],
)
def test_a_wrong_deployment_is_refused(right: str, wrong: str, where: str, what: str) -> None:
    assert right in DEPLOYMENT
    complaints = said(built_in_complaints(yaml.safe_load(DEPLOYMENT.replace(right, wrong)), OLDEST_KUBERNETES))
    assert any(where in complaint and what in complaint for complaint in complaints), complaints


WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            metadata: {type: object}
            spec:
              type: object
              required: [size, colour]
              properties:
                size: {type: integer, format: int32, minimum: 0, exclusiveMinimum: true}
                colour: {type: string, default: red}
                port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
                note: {type: string, nullable: true}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
                empty: {type: object}
                labels: {type: object, additionalProperties: {type: string}}
                key: {type: string, format: byte}
                since: {type: string, format: date-time}
                address: {type: string, format: ipv4}
                tags: {type: array, items: {type: string}, x-kubernetes-list-type: set}
                parts:
                  type: array
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [name, side]
                  items:
                    type: object
                    required: [name]
                    properties: {name: {type: string}, side: {type: string, default: left}}
                child:
                  type: object
                  x-kubernetes-embedded-resource: true
                  properties: {spec: {type: object, properties: {size: {type: integer}}}}
    - name: v1alpha1
      served: false
      schema: {openAPIV3Schema: {type: object}}
"""

WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "labels": {"a": "b"}}}


@pytest.fixture(scope="module")
def widgets(tmp_path_factory: pytest.TempPathFactory) -> Crds:
    folder = tmp_path_factory.mktemp("crds")
    (folder / "widgets.yaml").write_text(WIDGETS)
    return Crds(folder)


@pytest.mark.parametrize(
    "spec",
    [
        {"size": 1},
        {"size": 1, "port": 80},
        {"size": 1, "port": "http"},
        {"size": 1, "note": None},
        {"size": 1, "free": {"any": {"thing": 1}}},
        {"size": 1, "labels": {"any": "string"}},
        {"size": 1, "key": "aGFsbG8=", "since": "2026-01-01T00:00:00Z", "address": "10.0.0.1"},
        {"size": 1, "tags": ["a", "b"], "parts": [{"name": "a"}, {"name": "a", "side": "right"}]},
        {"size": 1, "child": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"size": 1}}},
    ],
)
def test_what_a_definition_allows_is_accepted(widgets: Crds, spec: Any) -> None:
    assert said(custom_complaints({**WIDGET, "spec": spec}, widgets)) == []


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "Widget w spec: 'size' is a required property"),
        ({"size": 0}, "Widget w spec.size: 0 is less than or equal to the minimum of 0"),
        ({"size": 2**31}, "Widget w spec.size: 2147483648 is not a 'int32'"),
        ({"size": None}, "Widget w spec.size: None is not of type 'integer'"),
        ({"size": 1, "sise": 1}, "Widget w spec: Additional properties are not allowed ('sise' was unexpected)"),
        ({"size": 1, "port": 1.5}, "Widget w spec.port: 1.5 is not of type 'integer'"),
        (
            {"size": 1, "empty": {"a": 1}},
            "Widget w spec.empty: Additional properties are not allowed ('a' was unexpected)",
        ),
        ({"size": 1, "labels": {"a": 1}}, "Widget w spec.labels.a: 1 is not of type 'string'"),
        ({"size": 1, "key": "!"}, "Widget w spec.key: '!' is not a 'byte'"),
        ({"size": 1, "since": "yesterday"}, "Widget w spec.since: 'yesterday' is not a 'date-time'"),
        ({"size": 1, "address": "10.0.0"}, "Widget w spec.address: '10.0.0' is not a 'ipv4'"),
        ({"size": 1, "tags": ["a", "a"]}, "Widget w spec.tags: a is there twice"),
        (
            {"size": 1, "parts": [{"name": "a"}, {"name": "a", "side": "left"}]},
            "Widget w spec.parts: {'name': 'a', 'side': 'left'} is there twice",
        ),
        ({"size": 1, "child": {"kind": "Pod"}}, "Widget w spec.child: 'apiVersion' is a required property"),
    ],
)
def test_what_a_definition_does_not_allow_is_refused(widgets: Crds, spec: Any, complaint: str) -> None:
    assert [text.partition("; ")[0] for text in said(custom_complaints({**WIDGET, "spec": spec}, widgets))] == [
        complaint
    ]


def test_metadata_is_checked_as_that_of_built_in_kinds(widgets: Crds) -> None:
    item = {**WIDGET, "metadata": {"name": "w", "label": {"a": "b"}}, "spec": {"size": 1}}
    assert "('label' was unexpected)" in " ".join(said(custom_complaints(item, widgets)))


def test_a_version_that_is_not_served_and_an_unknown_kind_are_refused(widgets: Crds) -> None:
    unserved = {**WIDGET, "apiVersion": "example.com/v1alpha1"}
    assert said(custom_complaints(unserved, widgets)) == [
        "Widget w apiVersion: example.com/v1alpha1 is not served; use a version that is"
    ]
    unknown = {**WIDGET, "kind": "Gadget"}
    assert said(custom_complaints(unknown, widgets)) == [
        "Gadget w kind: no schema of example.com/v1 Gadget is known; put its CustomResourceDefinition into"
        " tests/unit/manifests/schemas, with the fields that we use"
    ]


def test_a_group_that_begins_like_a_built_in_one_is_custom() -> None:
    assert not is_built_in({"apiVersion": "apps.example.com/v1", "kind": "Deployment", "metadata": {"name": "d"}})
    assert is_built_in({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}})


def test_closing_a_schema_leaves_the_original_as_it_was() -> None:
    schema = yaml.safe_load(WIDGETS)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    before = copy.deepcopy(schema)
    closed(schema)
    assert schema == before


def test_pod_templates_that_a_definition_leaves_open_are_checked(crds: Crds) -> None:
    item = spark_application()
    assert said(custom_complaints(item, crds)) == []
    item["spec"]["driver"]["template"]["spec"]["automountServiceAcountToken"] = True
    (complaint,) = said(custom_complaints(item, crds))
    assert "spec.driver.template.spec: " in complaint
    assert "('automountServiceAcountToken' was unexpected)" in complaint


def spark_application() -> Object:
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"name": "preprocessing", "namespace": "mediareview-pipelines"},
        "spec": {
            "type": "Python",
            "mainApplicationFile": "local:///opt/preprocess.py",
            "sparkVersion": "4.0.1",
            "driver": {"template": {"spec": {"automountServiceAccountToken": True}}},
            "executor": {"instances": 2},
        },
    }


def test_our_own_definitions_are_definitions() -> None:
    for path in OWN_SCHEMAS.glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())
        assert path.stem == f"{definition['spec']['group']}_{definition['spec']['names']['plural']}"


def said(complaints: Any) -> list[str]:
    return [str(complaint) for complaint in complaints]
