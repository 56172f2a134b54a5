"""Channels of alerts, and the messages to them."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bands.models import Band

from ..audit.actors import Actor
from ..choices import AlertRuleName, ChannelKind, DeliveryState, Severity
from ..models import AlertChannel, AlertDelivery
from ..operations import alert_channels, time_zones
from .core.edits import EditForm
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, ask, is_part, refuse, show, style
from .core.paging import paginate
from .site import site

_RECENT = 10
_LOOKS = {
    DeliveryState.PENDING: ("run", "hourglass"),
    DeliveryState.DELIVERED: ("good", "check"),
    DeliveryState.FAILED: ("bad", "alert"),
    DeliveryState.CANCELLED: ("off", "stop"),
}


class SecretField(forms.CharField):
    """A secret, which wraps where it is longer than its field: all of it can be seen and compared."""

    widget = forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"})

    def to_python(self, value: Any) -> Any:
        """Join the lines: a line break comes from where the secret was copied."""
        return super().to_python("".join(value.splitlines()) if value else value)


class ChannelForm(EditForm):
    """A channel. Its address and secret are never shown again, so empty fields leave them as they are."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=alert_channels.MAX_NAME)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=ChannelKind.choices)
    address = forms.CharField(
        label=gettext_lazy("Address"),
        required=False,
        max_length=alert_channels.MAX_ADDRESS,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
        help_text=gettext_lazy("E-mail addresses, or a URL. It is encrypted and shown only in part."),
    )
    secret = SecretField(
        label=gettext_lazy("Secret of a webhook"),
        required=False,
        max_length=alert_channels.MAX_SECRET,
        help_text=gettext_lazy("It signs the messages. Copy it now: it is not shown again."),
    )
    is_enabled = forms.BooleanField(label=gettext_lazy("Enabled"), required=False, initial=True)
    severities = forms.MultipleChoiceField(
        label=gettext_lazy("Severities"), choices=Severity.choices, widget=forms.CheckboxSelectMultiple
    )
    rules = forms.MultipleChoiceField(
        label=gettext_lazy("Rules"),
        required=False,
        choices=AlertRuleName.choices,
        help_text=gettext_lazy("None selected: all rules."),
    )
    band_ids = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Bands"),
        required=False,
        coerce=int,
        help_text=gettext_lazy("If some are selected, alerts about other bands are not sent here."),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=settings.LANGUAGES)
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )
    quiet_from = forms.TimeField(
        label=gettext_lazy("Quiet from"), required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    quiet_until = forms.TimeField(
        label=gettext_lazy("Quiet until"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    quiet_for_critical = forms.BooleanField(
        label=gettext_lazy("Hold back critical alerts in quiet hours too"), required=False
    )
    repeat_hours = forms.IntegerField(
        label=gettext_lazy("Hours between messages about the same thing"),
        min_value=0,
        max_value=alert_channels.MAX_REPEAT_HOURS,
        help_text=gettext_lazy("0: each time that it happens again."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        bands: Any = self.fields["band_ids"]
        bands.choices = list(Band.objects.order_by("name").values_list("pk", "name"))

    def clean_address(self) -> str:
        """Join the lines of one URL: a line break comes from where it was copied. E-mail addresses may have a line each."""
        address: str = self.cleaned_data["address"]
        first, *others = address.splitlines() or [""]
        if self.cleaned_data.get("kind") == ChannelKind.EMAIL or any("://" in line for line in others):
            return address
        return "".join(line.strip() for line in (first, *others))


def _initial(channel: AlertChannel) -> dict[str, Any]:
    values = {name: getattr(channel, name) for name in ChannelForm.base_fields if hasattr(channel, name)}
    return values | {"address": "", "secret": "", "band_ids": [band.pk for band in channel.bands.all()]}


@admin.register(AlertChannel, site=site)
class AlertChannelAdmin(PageAdmin):
    """Channels are edited, tested and deleted through `operations.alert_channels`."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<id:channel_id>/test/", self.test_view, "test"), *super().get_urls()]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List the channels and the newest messages."""
        newest = AlertDelivery.objects.select_related("channel").order_by("-pk")[:_RECENT]
        rules = dict(AlertRuleName.choices)
        channels = [
            {
                "channel": each,
                "severities": ", ".join(str(Severity(name).label) for name in each.severities),
                "rules": ", ".join(str(rules.get(name, name)) for name in each.rules),
                "is_switch": each.kind == ChannelKind.PING,
            }
            for each in alert_channels.list_channels()
        ]
        context = {"channels": channels, "deliveries": _rows(newest), "all_url": _url("alertdelivery_changelist")}
        if is_part(request):
            return render(request, "syncjobs/alert_channels/rows.html", context)
        return show(request, "syncjobs/alert_channels/list.html", context, title=_("Alert channels"), is_live=True)

    @requires("add", post=True)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        initial = _initial_of_new()
        return _edit(request, None, ChannelForm(request.POST or None, initial=initial), _("Add an alert channel"))

    @requires("change", post=True)
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        channel = alert_channels.get(id_of(object_id))
        form = ChannelForm(request.POST or None, initial=_initial(channel))
        form.fields["address"].help_text = _("Now: %(address)s. Leave it empty to keep it.") % {
            "address": channel.address
        }
        form.fields["secret"].help_text = _("Leave it empty to keep it.")
        return _edit(request, channel, form, _("Edit “%(name)s”") % {"name": channel.name})

    @requires("change", post=True)
    def test_view(self, request: HttpRequest, channel_id: int) -> HttpResponse:
        """Confirm, then send a test message."""
        channel = alert_channels.get(channel_id)
        question = _question(
            title=_("Test “%(name)s”?") % {"name": channel.name},
            text=_("This sends a test message to %(address)s.") % {"address": channel.address},
            button=_("Send a test message"),
            icon="send",
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            alert_channels.send_test(actor, channel_id)
            return _("A test message is on its way. The list of messages says whether it arrived.")

        return ask(request, question, do)

    @requires("delete", post=True)
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        channel = alert_channels.get(id_of(object_id))
        question = _question(
            title=_("Delete “%(name)s”?") % {"name": channel.name},
            text=_("It no longer reports alerts. Its messages are deleted too, and pending ones are not sent."),
            button=_("Delete the channel"),
            icon="trash",
            is_danger=True,
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            alert_channels.delete(actor, channel.pk)
            return _("“%(name)s” is deleted.") % {"name": channel.name}

        return ask(request, question, do)


@admin.register(AlertDelivery, site=site)
class AlertDeliveryAdmin(PageAdmin):
    """Messages to channels, with the attempts to deliver them."""

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<id:delivery_id>/retry/", self.retry_view, "retry"), *super().get_urls()]

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """List all messages, the newest first."""
        page = paginate(request, AlertDelivery.objects.select_related("channel").order_by("-pk"))
        context = {"page": page, "deliveries": _rows(page.object_list)}
        crumbs = ((_url("alertchannel_changelist"), _("Alert channels")),)
        return show(request, "syncjobs/alert_channels/messages.html", context, title=_("Messages"), crumbs=crumbs)

    @requires("view")
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a message with its attempts."""
        delivery = alert_channels.get_delivery(id_of(object_id))
        [row] = _rows([delivery])
        context = {"row": row, "delivery": delivery, "attempts": delivery.attempts.order_by("number")}
        crumbs = ((_url("alertchannel_changelist"), _("Alert channels")),)
        return show(request, "syncjobs/alert_channels/message.html", context, title=delivery.title, crumbs=crumbs)

    @requires("syncjobs.change_alertchannel", post=True)
    def retry_view(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """Confirm, then send a message again."""
        delivery = alert_channels.get_delivery(delivery_id)
        question = _question(title=_("Send this message now?"), text=delivery.title, button=_("Send now"), icon="send")
        is_done = delivery.state == DeliveryState.DELIVERED
        if is_done and (refusal := refuse(request, _("The message has been delivered already."), question.back)):
            return refusal

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            alert_channels.retry_delivery(actor, delivery_id)
            return _("The message is on its way.")

        return ask(request, question, do)


def _rows(deliveries: Any) -> list[dict[str, Any]]:
    rows = []
    for delivery in deliveries:
        look, icon = _LOOKS[DeliveryState(delivery.state)]
        can_retry = delivery.state != DeliveryState.DELIVERED
        rows.append({"delivery": delivery, "look": look, "icon": icon, "can_retry": can_retry})
    return rows


def _url(name: str) -> str:
    return reverse(f"admin:syncjobs_{name}")


def _question(**fields: Any) -> Question:
    return Question(back=_url("alertchannel_changelist"), parent=_("Alert channels"), **fields)


def _initial_of_new() -> dict[str, Any]:
    channel = AlertChannel(language=settings.LANGUAGE_CODE)
    names = (name for name in ChannelForm.base_fields if name != "band_ids" and hasattr(channel, name))
    values = {name: getattr(channel, name) for name in names}
    return values | {"kind": ChannelKind.EMAIL, "secret": secrets.token_urlsafe(32), "band_ids": []}


def _edit(request: HttpRequest, channel: AlertChannel | None, form: ChannelForm, title: str) -> HttpResponse:
    def check(row: AlertChannel) -> None:
        form.check(_initial(row))

    def do(actor: Actor, values: dict[str, Any]) -> str:
        if channel is None:
            saved = alert_channels.save(actor, None, values).channel
        else:
            fields = {name: values[name] for name in form.changed()}
            saved = alert_channels.save(actor, channel.pk, fields, check=check).channel
        return _("“%(name)s” is saved.") % {"name": saved.name}

    extra = {"zones": time_zones.listed()}
    template = "syncjobs/alert_channels/form.html"
    return ask(
        request, _question(title=title, text="", button=_("Save")), do, form=style(form), template=template, extra=extra
    )
