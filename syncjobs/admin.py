"""The stock pages that ours replace are taken away: history and state are changed by operations only."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django_celery_beat import models as beat
from django_celery_results import models as results
from rest_framework_simplejwt.token_blacklist import models as tokens

for model in (
    User,
    Group,
    beat.PeriodicTask,
    beat.CrontabSchedule,
    beat.IntervalSchedule,
    beat.SolarSchedule,
    beat.ClockedSchedule,
    results.TaskResult,
    results.GroupResult,
    tokens.OutstandingToken,
    tokens.BlacklistedToken,
):
    admin.site.unregister(model)
