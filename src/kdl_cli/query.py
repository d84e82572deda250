"""What ``kdl get`` was asked for."""

from dataclasses import dataclass

from kdl_cli.output import Format


@dataclass(frozen=True, slots=True)
class Query:
    """``arguments`` as typed: nothing, KIND, KIND NAME... or KIND/NAME..."""

    arguments: tuple[str, ...]
    all_namespaces: bool
    selector: str
    output: Format
    watch: bool = False

    @property
    def named(self) -> bool:
        """Whether single objects were asked for, not a list."""
        return len(self.arguments) > 1 or any("/" in argument for argument in self.arguments)
