"""What the answers mean: one line for each question the documents leave open, and the settings to use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ximilar import profiles
from ..ximilar.fashion import SEARCH_METHODS
from ..ximilar.fashion_collection import DUPLICATE, PAGE_RECORDS
from ..ximilar.questions import RECOGNITION_METHODS, SERVICES, TOO_MANY, Said
from .run import Outcome
from .steps import FARTHEST, METADATA, PAGES

UNKNOWN = "not found out"


@dataclass(frozen=True, slots=True)
class Findings:
    """The outcomes by the names of their steps."""

    outcomes: Mapping[str, Outcome]

    @classmethod
    def of(cls, outcomes: list[Outcome]) -> Findings:
        return cls({outcome.step.name: outcome for outcome in outcomes})

    @property
    def search_method(self) -> str | None:
        """The first search call that works, else the first that at least answers: the record may be too new."""
        working = [method for method in SEARCH_METHODS if self._worked(f"{method} by id")]
        answering = [method for method in SEARCH_METHODS if self._answers(f"{method} by id")]
        return next(iter([*working, *answering]), None)

    @property
    def profile(self) -> str | None:
        """The name of the profile that works."""
        return profiles.working(
            documented=self._inserted() and self.search_method is not None,
            former=len(self._recognition_paths()) == len(RECOGNITION_METHODS),
        )

    @property
    def nothing(self) -> bool:
        """Whether no call with the real token told anything: each was refused, failed, or met no answer."""
        asked = [outcome.said for outcome in self.outcomes.values() if not outcome.step.other_token]
        return all(said is None or said.turned_away for said in asked)

    def verdict(self) -> str:
        """What to do with the settings, for people."""
        if self.profile:
            return "for .env:"
        found = "nothing could be found out" if self.nothing else "no profile works"
        return f"{found}: look at the table above"

    def settings(self) -> dict[str, str]:
        """{variable: value} for `.env`."""
        if self.profile is None:
            return {}
        method = self.search_method if profiles.has_search_methods(self.profile) else None
        return {"XIMILAR_API_PROFILE": self.profile, **({"XIMILAR_SEARCH_METHOD": method} if method else {})}

    def answers(self) -> dict[str, str]:
        """{question: answer} for people."""
        return {
            "paths of profile recognition": ", ".join(self._recognition_paths()) or "none: not found",
            "services the account may use": ", ".join(filter(self._may_use, SERVICES)) or "none",
            "a wrong token": self._shown("wrong token"),
            "search calls": self._searches(),
            "HTTP status and status.code": self._mirroring(),
            "a duplicate insert": self._with_cost("duplicate"),
            "reasons of skipped records": self._reasons(),
            "update of fields": self._update(),
            "update with null": self._update_with_null(),
            "update of an unknown id": self._shown("update unknown"),
            "delete of an unknown id": self._shown("delete unknown"),
            **{f"page {number} of up to {PAGE_RECORDS} records": self._page(number) for number in PAGES},
            "a query by id returns itself": self._itself(),
            "distances": self._distances(),
            f"{TOO_MANY} records": self._too_many(),
            "keys of dominant colours": self._colours(),
            "credits": self._costs(),
        }

    def _said(self, name: str) -> Said | None:
        outcome = self.outcomes.get(name)
        return outcome.said if outcome else None

    def _worked(self, name: str) -> bool:
        said = self._said(name)
        return said is not None and said.succeeded

    def _inserted(self) -> bool:
        """Whether the record was stored; where the answer was lost, that its duplicate is refused tells it."""
        again = self._said("duplicate")
        return self._worked("insert") or (again is not None and again.code == DUPLICATE)

    def _answers(self, name: str) -> bool:
        """Whether the method itself said something, be it that nothing was found."""
        said = self._said(name)
        return said is not None and said.code is not None

    def _shown(self, name: str) -> str:
        said, outcome = self._said(name), self.outcomes.get(name)
        if said is None:
            return outcome.failure if outcome else UNKNOWN
        code = "no status.code" if said.code is None else f"status.code {said.code}"
        return f"HTTP {said.http}, {code}: {said.text}".rstrip(": ")

    def _with_cost(self, name: str) -> str:
        cost = self.outcomes[name].cost if name in self.outcomes else None
        return f"{self._shown(name)}; credits: {UNKNOWN if cost is None else cost}"

    def _may_use(self, service: str) -> bool:
        return self._worked(f"service {service}")

    def _recognition_paths(self) -> list[str]:
        asked = {method: self._said(f"recognition {method}") for method in RECOGNITION_METHODS}
        return [method for method, said in asked.items() if said is not None and said.path_is_there]

    def _searches(self) -> str:
        """The names of those that work, the others with what they said."""
        steps = {method: f"{method} by id" for method in SEARCH_METHODS}
        working = [method for method, step in steps.items() if self._worked(step)]
        others = [
            f"not {method} ({self._shown(step)})" for method, step in steps.items() if not self._worked(step)
        ]
        return ", ".join([*working, *others])

    def _mirroring(self) -> str:
        """Judged by answers whose code is neither 200 nor missing."""
        said = [outcome.said for outcome in self.outcomes.values() if outcome.said is not None]
        telling = [one for one in said if one.code not in (None, 200)]
        if not telling:
            return UNKNOWN
        alike = sum(one.http == one.code for one in telling)
        if alike == len(telling):
            return "the HTTP status is the code"
        return f"HTTP is {telling[0].http} whatever the code" if alike == 0 else "now the one, now the other"

    def _reasons(self) -> str:
        said = self._said("duplicate and unreadable")
        if said is None or not said.skipped:
            return self._shown("duplicate and unreadable")
        duplicate, unreadable = (said.skipped.get(name) for name in sorted(self._ids()))
        return (
            f"duplicate {duplicate}, unreadable photo {unreadable}; {self._shown('duplicate and unreadable')}"
        )

    def _ids(self) -> frozenset[str]:
        return self.outcomes["duplicate and unreadable"].step.inserts

    def _update(self) -> str:
        said = self._said("get")
        if not self._worked("update") or said is None or "name" not in said.kept:
            return self._shown("update")
        kept = METADATA.keys() <= said.kept.keys()
        return f"{'merges' if kept else 'replaces'}; {self._shown('update')}"

    def _update_with_null(self) -> str:
        """What becomes of a field that is sent as null, as those are that a product no longer has."""
        before, after = self._said("get"), self._said("get after null")
        asked = before is not None and "name" in before.kept and self._worked("update with null")
        if not asked or after is None or not after.ids:
            return self._shown("update with null")
        return f"{_left(after.kept)}; {self._shown('update with null')}"

    def _page(self, number: int) -> str:
        said = self._said(f"page {number}")
        if said is None or not said.succeeded:
            return self._shown(f"page {number}")
        again = self._said(f"page {number - 1}")
        same = ", the page before again" if again is not None and said.ids and said.ids == again.ids else ""
        followed = "another follows" if said.more else "none follows"
        return f"{len(said.ids)} records{same}, {followed}; {self._shown(f'page {number}')}"

    def _itself(self) -> str:
        said = self._said(f"{self.search_method} by id")
        if said is None:
            return UNKNOWN
        (first,) = self.outcomes["insert"].step.inserts
        return "first" if said.ids[:1] == (first,) else "yes" if first in said.ids else "no"

    def _distances(self) -> str:
        said = self._said(f"{self.search_method} by id")
        if said is None or not said.distances:
            return UNKNOWN
        near, far = min(said.distances), max(said.distances)
        rising = "" if list(said.distances) == sorted(said.distances) else ", not ascending"
        return f"{near:g} to {far:g} over {len(said.distances)} neighbours (asked for {FARTHEST}){rising}"

    def _too_many(self) -> str:
        detect = self._said(f"detect {TOO_MANY}")
        taken = detect is not None and detect.analysed == TOO_MANY
        return f"get: {self._shown(f'get {TOO_MANY}')}; detect: " + (
            "accepted" if taken else self._shown(f"detect {TOO_MANY}")
        )

    def _colours(self) -> str:
        said = self._said("colours")
        return ", ".join(said.names) if said is not None and said.names else self._shown("colours")

    def _costs(self) -> str:
        weighed = {name: outcome.cost for name, outcome in self.outcomes.items() if outcome.step.weighed}
        known = {name: cost for name, cost in weighed.items() if cost is not None}
        if not known:
            return UNKNOWN
        listed = ", ".join(f"{name} {cost}" for name, cost in known.items() if cost)
        return f"{sum(known.values())} in all: {listed or 'nothing cost any'}"


def _left(kept: Mapping[str, object]) -> str:
    """What is left of the field that was sent as null."""
    if "name" not in kept:
        return "the field is gone"
    return "the field is null" if kept["name"] is None else f"the field is {kept['name']!r}"[:100]
