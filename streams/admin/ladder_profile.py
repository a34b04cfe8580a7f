"""Ladder profiles in the admin."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from streams.models import LadderProfile, LadderRendition


class RenditionInline(TabularInline):
    model = LadderRendition
    extra = 0
    fields = ("height", "video_bitrate", "audio_bitrate", "max_fps")


@admin.register(LadderProfile)
class LadderProfileAdmin(ModelAdmin):
    list_display = ("name", "allow_copy")
    search_fields = ("name",)
    inlines = (RenditionInline,)
