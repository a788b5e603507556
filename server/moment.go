package server

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errMoment = errors.New("expected a time, such as 2026-01-31T15:04:05Z, 15:04, -10m, or milliseconds since 1970")

// clockLayouts are times of a day. Fractions of a second may follow the last one.
var clockLayouts = []string{"15:04", "15:04:05"}

// parseMoment returns the time that a text stands for, in ms since 1970, at least 1: a time of RFC 3339, whose + a query
// turns into a space; milliseconds since 1970; a duration before now, such as -10m; or a time of the day, for
// the latest such moment that is not after now, in now's zone.
func parseMoment(text string, now time.Time) (int64, error) {
	if ms, err := strconv.ParseUint(text, 10, 63); err == nil {
		return max(int64(ms), 1), nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, err := time.ParseDuration(ago)
		if err != nil || d < 0 {
			return 0, errMoment
		}
		return max(now.Add(-d).UnixMilli(), 1), nil
	}
	for _, layout := range clockLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return max(latest(t, now).UnixMilli(), 1), nil
		}
	}
	const zone = len("+00:00")
	if i := len(text) - zone; i > 0 && text[i] == ' ' {
		text = text[:i] + "+" + text[i+1:]
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, errMoment
	}
	return max(t.UnixMilli(), 1), nil
}

// latest returns the latest moment, not after now, at which a clock in now's zone shows t.
func latest(t, now time.Time) time.Time {
	for day := now.Day(); ; day-- {
		at := time.Date(now.Year(), now.Month(), day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
		// A clock that is set back shows some times twice, and one that is set forward skips some, which time.Date
		// moves out of.
		for _, shift := range []time.Duration{time.Hour, time.Hour / 2, 0, -time.Hour / 2, -time.Hour} {
			if moved := at.Add(shift); !moved.After(now) && moved.Day() == at.Day() && moved.Hour() == t.Hour() && moved.Minute() == t.Minute() {
				return moved
			}
		}
	}
}
