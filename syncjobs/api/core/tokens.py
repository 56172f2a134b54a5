"""JSON Web Tokens: read, issue, rotate and revoke them."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.db import transaction
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken, Token, UntypedToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from ...audit.actors import for_user
from ...audit.record import record
from ...authentication import user_with_permissions
from ...choices import Origin
from ...engine import clock
from ...models import EndedLogIn

T = TypeVar("T", bound=Token)
PROBLEMS = {
    "token_expired": "This token has expired. Get a new pair with the refresh token, or log in again.",
    "token_invalid": "This token can't be read, or was not issued by this site. Log in again.",
    "token_wrong_type": "This is the other token of the pair: send `access` in the header and `refresh` in the body.",
    "token_used": "This refresh token was already used or revoked, so its log-in has ended. Log in again.",
    "logged_out": "The log-in of this token has ended. Log in again.",
    "user_not_found": "The user of this token no longer exists.",
    "user_inactive": "This user is deactivated. Ask an administrator.",
    "password_changed": "The password was changed after this token was issued. Log in again.",
}
"""Each reason to refuse a token, by code."""
FAMILY = "family"
"""The claim that all tokens of a log-in share."""


class Rejected(AuthenticationFailed):
    """A token was refused: 401, with one of PROBLEMS."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or PROBLEMS[code], code)


def read(kind: type[T], text: str | bytes) -> T:
    """Parse and verify a token. Raises Rejected."""
    try:
        return kind(text)  # type: ignore[arg-type]
    except ExpiredTokenError:
        raise Rejected("token_expired") from None
    except TokenError:
        raise Rejected(_problem(kind, text)) from None


def _problem(kind: type[Token], text: str | bytes) -> str:
    try:
        token = UntypedToken(text)  # type: ignore[arg-type]
    except TokenError:
        return "token_invalid"
    if token.get(api_settings.TOKEN_TYPE_CLAIM) != kind.token_type:
        return "token_wrong_type"
    return "token_used" if issubclass(kind, RefreshToken) else "token_invalid"


def user_of(token: Token) -> Any:
    """Return the token's user with their permissions, in one query. Raises Rejected if it is no longer valid."""
    user = user_with_permissions(int(token[api_settings.USER_ID_CLAIM]), token.get(FAMILY, ""))
    if user is None:
        raise Rejected("user_not_found")
    if not user.is_active:
        raise Rejected("user_inactive")
    if token.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
        raise Rejected("password_changed")
    if user.has_ended:
        raise Rejected("logged_out")
    return user


def pair_for(user: Any, family: str = "") -> dict[str, str]:
    """Issue a new pair of tokens: of a new log-in, or of one that has a family."""
    refresh = RefreshToken.for_user(user)
    # The access token gets the claims of the refresh token.
    refresh[FAMILY] = family or refresh[api_settings.JTI_CLAIM]
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def rotate(text: str, address: str) -> dict[str, str]:
    """Exchange a refresh token for a new pair; of two concurrent requests only one succeeds. Raises Rejected.

    A token that was exchanged before, or is at this moment, ends its log-in: either its owner or somebody else has a copy
    (RFC 9700, 4.14.2).
    """
    try:
        token = read(RefreshToken, text)
        user = user_of(token)
        with transaction.atomic():
            if not revoke(token):
                raise Rejected("token_used")
            return pair_for(user, token.get(FAMILY, ""))
    except Rejected as refused:
        if refused.get_codes() == "token_used":
            _end(UntypedToken(text), "reuse_token", address)  # type: ignore[arg-type]
        raise


def revoke(token: RefreshToken) -> bool:
    """Revoke a refresh token; return False if it was revoked already."""
    # It returns (entry, is new), contrary to its annotation.
    return bool(cast("Any", token.blacklist())[1])


def log_out(text: str, address: str) -> None:
    """End the log-in of a refresh token, also of one that was used already. Raises Rejected."""
    token: Token
    try:
        token = read(RefreshToken, text)
        revoke(token)
    except Rejected as refused:
        if refused.get_codes() != "token_used":
            raise
        token = UntypedToken(text)  # type: ignore[arg-type]
    _end(token, "log_out", address)


def _end(token: Token, action: str, address: str) -> None:
    """Refuse all tokens of the token's log-in from now on, and record it, unless that was done before."""
    # Its newest refresh token may have been issued this moment.
    last = clock.now() + api_settings.REFRESH_TOKEN_LIFETIME + 2 * api_settings.LEEWAY
    user = user_with_permissions(int(token[api_settings.USER_ID_CLAIM]))
    with transaction.atomic():
        # Tokens that were issued before families existed end one by one.
        family = token.get(FAMILY) or token[api_settings.JTI_CLAIM]
        _ended, is_new = EndedLogIn.objects.get_or_create(family=family, defaults={"expires_at": last})
        if is_new and user is not None:
            record(for_user(user, Origin.API, address), action, "user", user.pk)
