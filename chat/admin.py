"""The chat's messages in the admin: to read, to search, to delete."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from chat.models import Message


@admin.register(Message)
class MessageAdmin(ModelAdmin):
    list_display = ("created_at", "stream", "name", "text")
    list_display_links = ("created_at",)
    # By anything else the database would have to sort, or join, all of them.
    sortable_by = ("created_at",)
    search_fields = ("text", "name")
    ordering = ("-created_at",)
    readonly_fields = ("stream", "author", "name", "text", "created_at")
    fields = readonly_fields
    # Counting all messages for "of 1234567 in total" takes longer than finding the page's.
    show_full_result_count = False
    # An empty tuple, not False: joins are slow on MongoDB, and False still joins for `stream`.
    list_select_related = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        queryset: QuerySet[Message] = super().get_queryset(request)
        return queryset.prefetch_related("stream", "author")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        return False
