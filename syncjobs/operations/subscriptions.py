"""Ask YouTube's hub again for subscriptions."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import SubscriptionState
from ..exceptions import Conflict
from ..freshness import subscriptions
from ..models import Subscription


def renew(actor: Actor, band_ids: Sequence[int] | None = None) -> int:
    """Ask the hub again for the subscriptions of these bands, or of all; return how many there are.

    The requests are sent one after the other, at a polite rate. Those that work go on working. Raises Conflict without
    PUBLIC_URL.
    """
    with audited(actor, "renew_subscriptions", "bands") as span:
        if not subscriptions.is_push_on():
            raise Conflict(_("There is no push, because PUBLIC_URL is not set."))
        subscriptions.reconcile()
        rows = Subscription.objects.exclude(state=SubscriptionState.ENDING)
        if band_ids is not None:
            rows = rows.filter(band_id__in=band_ids)
        renewed = rows.update(next_request_at=Now())
        span.data = {"count": renewed}
    return renewed
