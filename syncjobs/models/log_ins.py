"""Log-ins with tokens that have ended."""

from __future__ import annotations

from django.db import models


class EndedLogIn(models.Model):
    """A log-in that its user ended, or whose refresh token was used twice. All its tokens are refused from then on."""

    family = models.CharField(
        max_length=64, primary_key=True, help_text="The claim that all tokens of the log-in have."
    )
    expires_at = models.DateTimeField(help_text="When the last of its tokens has expired, so that the row can go.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.family
