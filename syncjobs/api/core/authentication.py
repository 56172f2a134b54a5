"""JSON Web Tokens, whose user and permissions are looked up with each request: what was taken away is gone at once."""

from __future__ import annotations

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from . import tokens


class TokenAuthentication(JWTAuthentication):
    """The access token in `Authorization: Bearer …`, whichever way the scheme's name is written (RFC 9110)."""

    def get_raw_token(self, header: bytes) -> bytes | None:
        """None if there is no token in it. Raises Rejected if what should be one can't be."""
        scheme, *rest = header.split() or [b""]
        if scheme.lower() != b"bearer":
            return None
        if len(rest) != 1:
            raise tokens.Rejected("token_invalid", "The header must be “Authorization: Bearer TOKEN”, with one token.")
        return rest[0]

    def get_validated_token(self, raw_token: bytes) -> AccessToken:
        """Raises Rejected."""
        return tokens.read(AccessToken, raw_token)

    def get_user(self, validated_token: Any) -> Any:
        """The token's user, with what Django caches of permissions filled, in one query. Raises Rejected."""
        return tokens.person_of(validated_token)


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """In the schema it is the bearer token that it is."""

    target_class = "syncjobs.api.core.authentication.TokenAuthentication"
