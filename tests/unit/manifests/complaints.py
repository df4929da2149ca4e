"""What a check says: which object, where in it, what is wrong, and what to do."""

from dataclasses import dataclass

from .objects import Object, title


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong with one object."""

    item: Object
    path: str
    """Field path, with the names of list items where they have one: ``spec.containers[api].image``."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        where = f"{title(self.item)} {self.path}".rstrip()
        return f"{where}: {self.problem}; {self.remedy}"
