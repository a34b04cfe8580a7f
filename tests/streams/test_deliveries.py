"""What hosts of workers and of origins tell of the way between them."""

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import LazySettings
from django.utils import timezone

from livestream import health
from streams import capacity, deliveries
from streams.models import Host, Origin
from streams.origin.courier import STATUS_FILE
from streams.origin.pressure import Watermark

ONE, TWO = "http://10.77.0.30:8092", "http://10.77.0.31:8092"

pytestmark = pytest.mark.django_db


@pytest.fixture
def status(settings: LazySettings, tmp_path: Path) -> Path:
    """What the courier of this host says, who has two stores to deliver to."""
    settings.DELIVER_TO = [ONE, TWO]
    settings.ENV = SimpleNamespace(run=str(tmp_path))
    return tmp_path / STATUS_FILE


def trouble() -> str:
    return deliveries.trouble(timezone.now())


def test_a_host_that_does_not_reach_an_origin_says_so(status: Path) -> None:
    """One of two is enough: edges ask it as long as they reach it themselves."""
    for name in ("first", "second"):
        Origin.objects.create(name=name)
    status.write_text(json.dumps({ONE: "one is away"}))
    assert trouble() == "one is away"
    status.write_text(json.dumps({ONE: "one is away", TWO: "two is away"}))
    assert trouble() == "one is away; two is away"


def test_an_origin_that_is_lost_as_a_whole_is_no_trouble_while_there_is_another(
    status: Path,
) -> None:
    """No web may be taken out of a load balancer for it."""
    Origin.objects.create(name="second")
    Origin.objects.create(name="first", seen_at=timezone.now() - timedelta(minutes=1))
    status.write_text(json.dumps({ONE: "one is away"}))
    assert trouble() == ""
    deliveries.forget_origins(timezone.now() + timedelta(days=1))
    assert trouble() == ""
    status.write_text(json.dumps({ONE: "one is away", TWO: "two is away"}))
    assert trouble() == "one is away; two is away"


def test_one_that_is_lost_hides_no_other_that_is_not_reached(
    status: Path, settings: LazySettings
) -> None:
    settings.DELIVER_TO = [ONE, TWO, "http://10.77.0.32:8092"]
    for name in ("first", "second"):  # of the third nothing has been heard for long
        Origin.objects.create(name=name)
    status.write_text(json.dumps({ONE: "one is away", "http://10.77.0.32:8092": "three is away"}))
    assert trouble() == "one is away; three is away"


def test_a_host_that_delivers_nothing_says_nothing(settings: LazySettings) -> None:
    settings.DELIVER_TO = []
    assert trouble() == ""


def test_a_host_whose_courier_is_silent_says_so(status: Path) -> None:
    assert "does not say" in trouble()
    status.write_text("{}")
    assert trouble() == ""
    long_ago = time.time() - 60
    os.utime(status, (long_ago, long_ago))
    assert "has not said for a while" in trouble()


def test_health_names_the_host_that_delivers_nothing_and_what_to_do() -> None:
    now = timezone.now()
    capacity.report(now, "the origin is away")
    assert health.delivery() == "nobody complains"  # it drives nothing, so viewers lack nothing
    Host.objects.update(broadcasts=2)
    with pytest.raises(health.Unwell) as unwell:
        health.delivery()
    for said in (Host.objects.get().name, "2 broadcasts", "the origin is away", "app.sh stop"):
        assert said in str(unwell.value)
    Host.objects.update(seen_at=now - timedelta(minutes=2))  # another one has them by now
    assert health.delivery() == "nobody complains"


def test_health_knows_the_disks_of_origins(settings: LazySettings, tmp_path: Path) -> None:
    settings.DISK_LOW = settings.DISK_MIN_FREE = Watermark.parse("0")
    assert health.origins() == "segments are delivered nowhere"
    deliveries.tell_of_origin(tmp_path, timezone.now())
    assert "bytes free" in health.origins()
    settings.DISK_LOW = settings.DISK_MIN_FREE = Watermark.parse("100%")
    deliveries.tell_of_origin(tmp_path, timezone.now())
    with pytest.raises(health.Unwell, match="nothing is kept after a broadcast's end"):
        health.origins()


def test_health_notices_that_no_keeper_is_at_work() -> None:
    Origin.objects.create(name="first", disk="1 bytes free")
    Origin.objects.create(name="second", disk="2 bytes free")
    Origin.objects.filter(name="first").update(seen_at=timezone.now() - timedelta(minutes=1))
    assert health.origins() == "second: 2 bytes free; first's keeper says nothing"
    Origin.objects.update(seen_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(health.Unwell, match="no keeper clears the disk of first, second"):
        health.origins()
    Origin.objects.filter(name="first").update(seen_at=timezone.now() - timedelta(days=2))
    deliveries.forget_origins(timezone.now())
    assert [origin.name for origin in Origin.objects.all()] == ["second"]
