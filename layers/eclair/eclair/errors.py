"""What can go wrong, as one tree.

    EclairError
    ├── BadInput (ValueError)            what we were given is wrong; trying again cannot help
    │   ├── BadReference                 an image reference or digest that cannot be read
    │   ├── BadRequest                   an event, webhook or API request that cannot be read
    │   ├── BadImage                     a manifest, configuration or layer that breaks its specification
    │   │   ├── DigestMismatch           the bytes are not those the digest names
    │   │   ├── UnsupportedMediaType     a media type that we cannot read
    │   │   └── LimitExceeded            larger, deeper or longer than we accept
    │   ├── BadDatabase                  a package database that cannot be read at all
    │   ├── BadFeed                      an advisory document that cannot be read
    │   ├── BadRules                     a rule, quiet hours or a VEX document that cannot be read
    │   └── BadVersion                   a string that is no version in its scheme
    ├── NotFound (LookupError)           it is not there (now)
    ├── Forbidden (PermissionError)      we are not let in, or the operator did not allow the host
    └── Unavailable (ConnectionError)    the other side failed; trying again may help

Every message names the thing, the place and what to do.
"""


class EclairError(Exception):
    """The root of all errors that Eclair raises on purpose."""


class BadInput(EclairError, ValueError):
    """What we were given is wrong; the same input fails again."""


class BadReference(BadInput):
    """An image reference or a digest cannot be read."""


class BadRequest(BadInput):
    """An event, webhook or API request cannot be read."""


class BadImage(BadInput):
    """A manifest, configuration or layer breaks its specification."""


class DigestMismatch(BadImage):
    """The bytes are not those that the digest names."""


class UnsupportedMediaType(BadImage):
    """A manifest or layer has a media type that we cannot read."""


class LimitExceeded(BadImage):
    """Something is larger, deeper or longer than we accept."""


class BadDatabase(BadInput):
    """A package database cannot be read at all."""


class BadFeed(BadInput):
    """An advisory document cannot be read."""


class BadRules(BadInput):
    """A rule, quiet hours or a VEX document cannot be read."""


class BadVersion(BadInput):
    """A string is no version in its scheme."""


class NotFound(EclairError, LookupError):
    """The thing asked for is not there (now)."""


class Forbidden(EclairError, PermissionError):
    """We are not let in, or the operator did not allow it."""


class Unavailable(EclairError, ConnectionError):
    """The other side failed; trying again may help.

    `retry_after` is the number of seconds the other side asked us to wait, if it did.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
