import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    replaces = [("bands", "0002_channel_taken")]

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Band',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('slug', models.SlugField(max_length=120, unique=True, verbose_name='slug')),
                ('school_name', models.CharField(blank=True, max_length=200, verbose_name='school')),
                ('nickname', models.CharField(blank=True, max_length=200, verbose_name='nickname')),
                ('city', models.CharField(blank=True, max_length=120, verbose_name='city')),
                ('state', models.CharField(blank=True, max_length=60, verbose_name='state')),
                ('conference', models.CharField(blank=True, max_length=120, verbose_name='conference')),
                ('founded', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1700), django.core.validators.MaxValueValidator(2100)], verbose_name='founded')),
                ('band_type', models.CharField(blank=True, max_length=60, verbose_name='type')),
                ('search_keywords', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=120), blank=True, default=list, size=None, verbose_name='search keywords')),
                ('primary_color', models.CharField(blank=True, max_length=7, validators=[django.core.validators.RegexValidator('^#[0-9A-Fa-f]{6}\\Z', 'Enter a color as # and six hexadecimal digits, like #660000.')], verbose_name='primary color')),
                ('secondary_color', models.CharField(blank=True, max_length=7, validators=[django.core.validators.RegexValidator('^#[0-9A-Fa-f]{6}\\Z', 'Enter a color as # and six hexadecimal digits, like #660000.')], verbose_name='secondary color')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('is_featured', models.BooleanField(default=False, verbose_name='featured')),
                ('channel_reference', models.CharField(blank=True, help_text='A channel id (UC…), an @handle or a channel URL, as entered.', max_length=300, verbose_name='YouTube channel')),
                ('channel_id', models.CharField(blank=True, db_index=True, max_length=24, verbose_name='channel id')),
                ('channel_handle', models.CharField(blank=True, max_length=120, verbose_name='channel handle')),
                ('channel_title', models.CharField(blank=True, max_length=200, verbose_name='channel title')),
                ('uploads_playlist_id', models.CharField(blank=True, max_length=64, verbose_name='uploads playlist')),
                ('extra_playlists', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, size=None, verbose_name='extra playlists')),
                ('last_full_sync_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last full sync')),
                ('last_incremental_sync_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last incremental sync')),
                ('last_stats_refresh_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last statistics refresh')),
                ('last_availability_check_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='last availability check')),
                ('last_page_read_at', models.DateTimeField(blank=True, editable=False, help_text='Incremental passes read the bands in rotation by this time.', null=True, verbose_name='first page last read')),
                ('channel_video_count', models.PositiveBigIntegerField(blank=True, editable=False, help_text="The channel's videoCount when its videos were last all read.", null=True)),
                ('consecutive_failures', models.PositiveIntegerField(default=0, editable=False, verbose_name='failures in a row')),
                ('channel_problem', models.CharField(blank=True, choices=[('', 'None'), ('NOT_FOUND', 'Channel not found'), ('FORBIDDEN', 'Channel not accessible'), ('TAKEN', "Another band's channel")], default='', editable=False, max_length=20, verbose_name='channel problem')),
                ('channel_problem_since', models.DateTimeField(blank=True, editable=False, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={'verbose_name': 'band', 'verbose_name_plural': 'bands', 'ordering': ['name', 'id'], 'indexes': [models.Index(fields=['name', 'id'], name='band_name_order')]},
        ),
        migrations.CreateModel(
            name='Video',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('youtube_id', models.CharField(max_length=32, unique=True, verbose_name='YouTube id')),
                ('channel_id', models.CharField(blank=True, default='', max_length=64, verbose_name='channel id')),
                ('channel_title', models.TextField(blank=True, default='', verbose_name='channel title')),
                ('title', models.TextField(blank=True, default='', verbose_name='title')),
                ('description', models.TextField(blank=True, default='', verbose_name='description')),
                ('published_at', models.DateTimeField(blank=True, null=True, verbose_name='published')),
                ('duration_seconds', models.PositiveIntegerField(blank=True, null=True, verbose_name='duration (s)')),
                ('live_state', models.CharField(choices=[('none', 'Not live'), ('live', 'Live'), ('upcoming', 'Upcoming')], default='none', max_length=10, verbose_name='live state')),
                ('scheduled_start_at', models.DateTimeField(blank=True, null=True, verbose_name='scheduled start')),
                ('thumbnails', models.JSONField(blank=True, default=dict, verbose_name='thumbnails')),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), blank=True, default=list, size=None, verbose_name='tags')),
                ('category_id', models.CharField(blank=True, default='', max_length=10)),
                ('default_language', models.CharField(blank=True, default='', max_length=20)),
                ('definition', models.CharField(blank=True, default='', max_length=10)),
                ('privacy_status', models.CharField(blank=True, default='', max_length=20)),
                ('embeddable', models.BooleanField(blank=True, null=True)),
                ('made_for_kids', models.BooleanField(blank=True, null=True)),
                ('view_count', models.BigIntegerField(blank=True, null=True, verbose_name='views')),
                ('like_count', models.BigIntegerField(blank=True, null=True, verbose_name='likes')),
                ('comment_count', models.BigIntegerField(blank=True, null=True, verbose_name='comments')),
                ('availability', models.CharField(choices=[('AVAILABLE', 'Available'), ('MISSING', 'Missing once'), ('UNAVAILABLE', 'Unavailable')], default='AVAILABLE', max_length=12, verbose_name='availability')),
                ('availability_since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='since')),
                ('details_pending', models.BooleanField(default=False, help_text='Only the fields of the playlist page are known; an ENRICH job fetches the rest.')),
                ('details_attempt', models.BigIntegerField(blank=True, editable=False, help_text='The attempt that is fetching the pending details.', null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('band', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='videos', to='bands.band', verbose_name='band')),
            ],
            options={'verbose_name': 'video', 'verbose_name_plural': 'videos', 'ordering': ['-published_at', '-id'], 'indexes': [models.Index(models.F('band'), models.OrderBy(models.F('published_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='video_band_published'), models.Index(models.OrderBy(models.F('published_at'), descending=True, nulls_last=True), models.OrderBy(models.F('id'), descending=True), name='video_published'), models.Index(condition=models.Q(('details_pending', True)), fields=['id'], name='video_details_pending'), models.Index(condition=models.Q(('availability', 'AVAILABLE'), _negated=True), fields=['band'], name='video_unavailable')]},
        ),
    ]
