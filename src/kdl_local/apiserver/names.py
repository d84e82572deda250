"""Rules for names, labels and annotations, worded as ``k8s.io/apimachinery/pkg/util/validation`` words them.

Every rule takes a value and returns what is wrong with it; an empty list means nothing.
"""

import re
from dataclasses import dataclass

_DNS_LABEL_FORMAT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_1035_FORMAT = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS_SUBDOMAIN_FORMAT = _DNS_LABEL_FORMAT + "(\\." + _DNS_LABEL_FORMAT + ")*"
_QUALIFIED_FORMAT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED = re.compile(_QUALIFIED_FORMAT)
_ENV = re.compile("[ -<>-~]+")
_CONFIG_KEY = re.compile("[-._a-zA-Z0-9]+")
_PORT_NAME = re.compile("[-a-z0-9]+")

DNS_LABEL_MAX = 63
DNS_SUBDOMAIN_MAX = 253
_SUFFIX_ROOM = 5  # of a generated name


def _too_long(limit: int, unit: str = "bytes") -> str:
    return f"must be no more than {limit} {unit}"


def _pattern_error(message: str, pattern: str, *examples: str) -> str:
    quoted = "',  or '".join(examples)
    return f"{message} (e.g. '{quoted}', regex used for validation is '{pattern}')"


@dataclass(frozen=True, slots=True)
class _Shape:
    pattern: re.Pattern[str]
    limit: int
    message: str

    def errors(self, value: str, prefix: bool) -> list[str]:
        errors = [] if len(value) <= self.limit else [_too_long(self.limit, "characters")]
        return errors if self.pattern.fullmatch(_masked(value, prefix)) else [*errors, self.message]


_LABEL = _Shape(
    re.compile(_DNS_LABEL_FORMAT),
    DNS_LABEL_MAX,
    _pattern_error(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        "and must start and end with an alphanumeric character",
        _DNS_LABEL_FORMAT,
        "my-name",
        "123-abc",
    ),
)
_LABEL_1035 = _Shape(
    re.compile(_DNS_1035_FORMAT),
    DNS_LABEL_MAX,
    _pattern_error(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
        "start with an alphabetic character, and end with an alphanumeric character",
        _DNS_1035_FORMAT,
        "my-name",
        "abc-123",
    ),
)
_SUBDOMAIN = _Shape(
    re.compile(_DNS_SUBDOMAIN_FORMAT),
    DNS_SUBDOMAIN_MAX,
    _pattern_error(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        "and must start and end with an alphanumeric character",
        _DNS_SUBDOMAIN_FORMAT,
        "example.com",
    ),
)


def dns_label(value: str, prefix: bool = False) -> list[str]:
    """RFC 1123 label. ``prefix``: a ``generateName``, which may end in a dash."""
    errors = _LABEL.errors(value, prefix)
    if len(value) <= _LABEL.limit and errors and not _SUBDOMAIN.errors(value, prefix):
        return ["must not contain dots"]
    return errors


def dns_1035_label(value: str, prefix: bool = False) -> list[str]:
    """RFC 1035 label: as RFC 1123, and starts with a letter."""
    return _LABEL_1035.errors(value, prefix)


def dns_subdomain(value: str, prefix: bool = False) -> list[str]:
    """RFC 1123 subdomain: dot-separated labels, at most 253 bytes."""
    return _SUBDOMAIN.errors(value, prefix)


def path_segment(value: str, prefix: bool = False) -> list[str]:
    """Names of roles and bindings: anything that can stand between two slashes of a URL."""
    if not prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def _masked(value: str, prefix: bool) -> str:
    """A prefix is completed by random characters, so a trailing dash is not the end of the name."""
    return f"{value[:-1]}a" if prefix and len(value) > 1 and value.endswith("-") else value


def qualified_name(value: str) -> list[str]:
    """Keys of labels and annotations, finalizers, condition types: ``[prefix/]name``."""
    *prefixes, name = value.split("/")
    if len(prefixes) > 1:
        return [
            "a qualified name "
            + _pattern_error(
                "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                "alphanumeric character",
                _QUALIFIED_FORMAT,
                "MyName",
                "my.name",
                "123-abc",
            )
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    errors: list[str] = []
    if prefixes:
        if not prefixes[0]:
            errors.append("prefix part must be non-empty")
        else:
            errors += [f"prefix part {text}" for text in dns_subdomain(prefixes[0])]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > DNS_LABEL_MAX:
        errors.append(f"name part {_too_long(DNS_LABEL_MAX)}")
    if not _QUALIFIED.fullmatch(name):
        errors.append(
            "name part "
            + _pattern_error(
                "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
                "alphanumeric character",
                _QUALIFIED_FORMAT,
                "MyName",
                "my.name",
                "123-abc",
            )
        )
    return errors


def label_value(value: str) -> list[str]:
    errors = [] if len(value) <= DNS_LABEL_MAX else [_too_long(DNS_LABEL_MAX)]
    if value and not _QUALIFIED.fullmatch(value):
        errors.append(
            _pattern_error(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
                "and must start and end with an alphanumeric character",
                f"({_QUALIFIED_FORMAT})?",
                "MyValue",
                "my_value",
                "12345",
            )
        )
    return errors


def env_name(value: str) -> list[str]:
    """Names of environment variables: printable ASCII without ``=``."""
    if not _ENV.fullmatch(value):
        return [
            "a valid environment variable name must consist only of printable ASCII characters other than '='",
        ]
    return []


def config_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets, which become file names."""
    errors = [] if len(value) <= DNS_SUBDOMAIN_MAX else [_too_long(DNS_SUBDOMAIN_MAX)]
    if not _CONFIG_KEY.fullmatch(value):
        errors.append(
            _pattern_error(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                _CONFIG_KEY.pattern,
                "key.name",
                "KEY_NAME",
                "key-name",
            )
        )
    if value in (".", "..") or value.startswith(".."):
        errors.append(f"must not be '{value}'" if value in (".", "..") else "must not start with '..'")
    return errors


def port_name(value: str) -> list[str]:
    """IANA service name: at most 15 characters, at least one letter."""
    errors: list[str] = []
    if len(value) > 15:
        errors.append("must be no more than 15 characters")
    if not _PORT_NAME.fullmatch(value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value[:1] == "-" or value[-1:] == "-":
        errors.append("must not begin or end with a hyphen")
    return errors


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]
