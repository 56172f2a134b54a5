"""Suggested channels: list, make and withdraw them, and decide about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.suggestions import SuggestionList
from ..models import ChannelSuggestion
from ..operations import suggestions
from .core.pagination import Pages
from .core.permissions import requires
from .core.viewsets import NoBody, ViewSet, location
from .serializers.suggestions import AcceptBody, DeclineBody, SuggestionBody, SuggestionSerializer


class SuggestionViewSet(ListModelMixin, ViewSet):
    queryset = ChannelSuggestion.objects.select_related("band")
    serializer_class = SuggestionSerializer
    permission_classes = (requires("bands.view_band"),)
    filterset_class = SuggestionList
    pagination_class = Pages
    ordering = ("-pk",)
    body_classes = {"create": SuggestionBody}
    field_names = {"youtube_channel": "youtubeChannel"}
    lookup_url_kwarg = "suggestion_id"
    lookup_value_converter = "id"

    def get_permissions(self) -> Sequence[Any]:
        return [requires(suggestions.MAY_SUGGEST)()] if self.action == "create" else super().get_permissions()

    @extend_schema(operation_id="listSuggestions")
    def list(self, request: Request) -> Response:
        """List suggested channels, the newest first."""
        return super().list(request)

    @extend_schema(operation_id="getSuggestion")
    def retrieve(self, request: Request, suggestion_id: int) -> Response:
        """Get a suggested channel."""
        return self._suggestion(suggestion_id)

    @extend_schema(operation_id="suggestChannel", responses={200: SuggestionSerializer, 201: SuggestionSerializer})
    def create(self, request: Request) -> Response:
        """Suggest a channel for a band; an admin decides. 200 if somebody has suggested it already. It costs no quota."""
        body = self.validated()
        suggestion, is_new = suggestions.suggest(self.actor, int(body["band_id"]), body["channel"], body["note"])
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        headers = location("suggestion-detail", suggestion_id=suggestion.pk)
        return Response(SuggestionSerializer(suggestions.get(suggestion.pk)).data, code, headers=headers)

    @extend_schema(operation_id="acceptSuggestion", responses=SuggestionSerializer)
    @action(
        detail=True,
        methods=["post"],
        serializer_class=AcceptBody,
        permission_classes=[requires(suggestions.MAY_DECIDE)],
    )
    def accept(self, request: Request, suggestion_id: int) -> Response:
        """Give the band the channel.

        409 if another band has it, somebody has decided about the suggestion, or the band's channel isn't the one given.
        """
        suggestions.accept(self.actor, suggestion_id, seen=self.validated().get("channel"))
        return self._suggestion(suggestion_id)

    @extend_schema(operation_id="declineSuggestion", responses=SuggestionSerializer)
    @action(
        detail=True,
        methods=["post"],
        serializer_class=DeclineBody,
        permission_classes=[requires(suggestions.MAY_DECIDE)],
    )
    def decline(self, request: Request, suggestion_id: int) -> Response:
        """Decline a suggestion with a reason. 409 if somebody has decided about it."""
        suggestions.decline(self.actor, suggestion_id, self.validated()["reason"])
        return self._suggestion(suggestion_id)

    @extend_schema(operation_id="withdrawSuggestion", request=None, responses=SuggestionSerializer)
    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        permission_classes=[requires(suggestions.MAY_SUGGEST)],
    )
    def withdraw(self, request: Request, suggestion_id: int) -> Response:
        """Withdraw one's own suggestion. 403 if it is somebody else's, 409 if somebody has decided about it."""
        suggestions.withdraw(self.actor, suggestion_id)
        return self._suggestion(suggestion_id)

    def _suggestion(self, suggestion_id: int) -> Response:
        return Response(SuggestionSerializer(suggestions.get(suggestion_id)).data)
