"""How fresh videos are, and what brings them."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.base_filters import Parameters, Whole
from ..operations import feeds, subscriptions
from ..stats import freshness
from .core.permissions import requires
from .core.viewsets import ViewSet
from .serializers import Message
from .serializers.freshness import BandsBody, FreshnessSerializer


class FreshnessDays(Parameters):
    """The query parameters of the freshness."""

    days = Whole(max_value=freshness.MOST_DAYS, initial=freshness.DEFAULT_DAYS)


class FreshnessViewSet(ViewSet):
    permission_classes = (requires("bands.view_band"),)
    serializer_class = FreshnessSerializer
    filterset_class = FreshnessDays
    pagination_class = None

    @extend_schema(operation_id="freshness", responses=FreshnessSerializer)
    def list(self, request: Request) -> Response:
        """Get the time from publication to storage by source and day, and what push and feeds are worth."""
        return Response(FreshnessSerializer(freshness.freshness(self.parameters["days"])).data)

    @extend_schema(operation_id="renewSubscriptions", responses=Message)
    @action(
        detail=False,
        methods=["post"],
        serializer_class=BandsBody,
        permission_classes=[requires("bands.change_band")],
    )
    def renew(self, request: Request) -> Response:
        """Ask YouTube's hub anew for the subscriptions of bands. Those that work go on working. 409 without push."""
        renewed = subscriptions.renew(self.actor, self.validated().get("band_ids"))
        return Response({"message": f"Subscriptions to be renewed: {renewed}."})

    @extend_schema(operation_id="readFeeds", responses=Message)
    @action(
        detail=False,
        methods=["post"],
        url_path="read-feeds",
        serializer_class=BandsBody,
        permission_classes=[requires("syncjobs.trigger_sync")],
    )
    def read_feeds(self, request: Request) -> Response:
        """Read the feeds of bands at once. It costs no quota."""
        number = feeds.read_now(self.actor, self.validated().get("band_ids"))
        return Response({"message": f"Feeds to be read: {number}."})
