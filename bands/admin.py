from __future__ import annotations

from django.contrib import admin

from .models import Band, Video


@admin.register(Band)
class BandAdmin(admin.ModelAdmin[Band]):
    list_display = (
        "name",
        "state",
        "channel_reference",
        "last_full_sync_at",
        "last_incremental_sync_at",
        "consecutive_failures",
        "channel_problem",
    )
    list_filter = ("is_active", "channel_problem", "conference")
    search_fields = ("name", "slug", "school_name", "channel_id", "channel_handle")
    prepopulated_fields = {"slug": ("name",)}


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin[Video]):
    list_display = ("title", "band", "published_at", "view_count", "availability")
    list_filter = ("availability", "live_state")
    list_select_related = ("band",)
    search_fields = ("title", "youtube_id")
    show_full_result_count = False

    def has_add_permission(self, request: object) -> bool:
        """Videos come from YouTube."""
        return False
