"""JSON Web Tokens: what is wrong with one, whose it is, and how a pair is made out of the last one."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.db import transaction
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken, Token, UntypedToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from ...authentication import user_with_permissions

T = TypeVar("T", bound=Token)
PROBLEMS = {
    "token_expired": "This token has expired. Get a new pair with the refresh token, or log in again.",
    "token_invalid": "This token can't be read, or isn't of this site. Log in again.",
    "token_wrong_type": "This is the other token of the pair: `access` goes into the header, `refresh` into the body.",
    "token_used": "This refresh token was used or logged out already. Use the newest one, or log in again.",
    "user_not_found": "Whoever this token was given to has no log-in any more.",
    "user_inactive": "This log-in was switched off. Ask an administrator.",
    "password_changed": "The password was changed after this token was given. Log in again.",
}
"""Every way in which a token may be refused, by code."""


class Rejected(AuthenticationFailed):
    """A token that lets nobody in: 401, with one of PROBLEMS."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or PROBLEMS[code], code)


def read(kind: type[T], text: str | bytes) -> T:
    """The token that was sent. Raises Rejected."""
    try:
        return kind(text)  # type: ignore[arg-type]
    except ExpiredTokenError:
        raise Rejected("token_expired") from None
    except TokenError:
        raise Rejected(_why_not(kind, text)) from None


def _why_not(kind: type[Token], text: str | bytes) -> str:
    try:
        given = UntypedToken(text)  # type: ignore[arg-type]
    except TokenError:
        return "token_invalid"
    if given.get(api_settings.TOKEN_TYPE_CLAIM) != kind.token_type:
        return "token_wrong_type"
    return "token_used" if issubclass(kind, RefreshToken) else "token_invalid"


def person_of(token: Token) -> Any:
    """Whose token it is, with their permissions, in one query. Raises Rejected when it is worth nothing any more."""
    user = user_with_permissions(int(token[api_settings.USER_ID_CLAIM]))
    if user is None:
        raise Rejected("user_not_found")
    if not user.is_active:
        raise Rejected("user_inactive")
    if token.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(user.password):
        raise Rejected("password_changed")
    return user


def pair_for(user: Any) -> dict[str, str]:
    """A new pair of tokens."""
    refresh = RefreshToken.for_user(user)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def rotate(text: str) -> dict[str, str]:
    """A new pair for a refresh token, which is used up by it; of two requests at once only one gets it. Raises Rejected."""
    token = read(RefreshToken, text)
    user = person_of(token)
    with transaction.atomic():
        if not use_up(token):
            raise Rejected("token_used")
        return pair_for(user)


def use_up(token: RefreshToken) -> bool:
    """Make the refresh token worthless; whether it was worth something until now."""
    # What it returns is (entry, whether it is new), whatever its annotation says.
    return bool(cast("Any", token.blacklist())[1])


def close(text: str) -> None:
    """Log out: the refresh token is worthless from now on, as one that was used already is. Raises Rejected."""
    try:
        use_up(read(RefreshToken, text))
    except Rejected as refused:
        if refused.get_codes() != "token_used":
            raise
