"""JSON Web Tokens. User and permissions are read with each request, so that a revoked permission is gone at once."""

from __future__ import annotations

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from . import tokens


class TokenAuthentication(JWTAuthentication):
    """The access token in `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110)."""

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token, or None if the header has another scheme. Raises Rejected if the header is malformed."""
        scheme, *rest = header.split() or [b""]
        if scheme.lower() != b"bearer":
            return None
        if len(rest) != 1:
            raise tokens.Rejected("token_invalid", "The header must be “Authorization: Bearer TOKEN”, with one token.")
        return rest[0]

    def get_validated_token(self, raw_token: bytes) -> AccessToken:
        """Parse and verify the access token. Raises Rejected."""
        return tokens.read(AccessToken, raw_token)

    def get_user(self, validated_token: Any) -> Any:
        """Return the token's user with their permissions cached, in one query. Raises Rejected."""
        return tokens.user_of(validated_token)


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """Describe TokenAuthentication as a bearer token."""

    target_class = "syncjobs.api.core.authentication.TokenAuthentication"
