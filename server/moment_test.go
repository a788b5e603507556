package server

import (
	"testing"
	"time"
)

func TestParseMoment(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 30, 2, 45, 0, 0, berlin) // the day before, clocks went from 2 to 3 o'clock
	for text, want := range map[string]string{
		"2026-03-30T00:00:00Z":            "2026-03-30T00:00:00Z",
		"2026-03-30T00:00:00.123456Z":     "2026-03-30T00:00:00.123Z",
		"2026-03-30T02:00:00+02:00":       "2026-03-30T00:00:00Z",
		"2026-03-30T02:00:00 02:00":       "2026-03-30T00:00:00Z",
		"2026-03-30T02:00:00.5 02:00":     "2026-03-30T00:00:00.5Z",
		"2026-03-29T22:00:00-02:00":       "2026-03-30T00:00:00Z",
		"2100-01-01T00:00:00Z":            "2100-01-01T00:00:00Z",
		"1774828800000":                   "2026-03-30T00:00:00Z",
		"0":                               "1970-01-01T00:00:00.001Z",
		"1960-01-01T00:00:00Z":            "1970-01-01T00:00:00.001Z",
		"02:45":                           "2026-03-30T00:45:00Z",
		"02:45:00.001":                    "2026-03-28T01:45:00.001Z", // there was none on the 29th
		"02:46":                           "2026-03-28T01:46:00Z",
		"3:00":                            "2026-03-29T01:00:00Z",
		"23:59:59":                        "2026-03-29T21:59:59Z",
		"-10m":                            "2026-03-30T00:35:00Z",
		"-1h30m0.5s":                      "2026-03-29T23:14:59.5Z",
		"-0s":                             "2026-03-30T00:45:00Z",
		"-2000000h":                       "1970-01-01T00:00:00.001Z",
		"9223372036854775807":             "",
		"9223372036854775808":             "error",
		"":                                "error",
		"-":                               "error",
		"--1m":                            "error",
		"-10":                             "error",
		"10m":                             "error",
		"24:00":                           "error",
		"12:60":                           "error",
		"now":                             "error",
		"2026-03-30":                      "error",
		"2026-02-30T00:00:00Z":            "error",
		"2026-03-30T00:00:00":             "error",
		"2026-03-30T00:00:00 0200":        "error",
		" 02:45":                          "error",
		"1e3":                             "error",
		"+5":                              "error",
		"2026-03-30T00:00:00Z\x1b[31mred": "error",
	} {
		got, err := parseMoment(text, now)
		if (err != nil) != (want == "error") {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if want == "" || want == "error" {
			continue
		}
		if at, _ := time.Parse(time.RFC3339, want); got != at.UnixMilli() {
			t.Errorf("%q: %v, want %v", text, time.UnixMilli(got).UTC(), at)
		}
	}
}

// A clock that is set back shows an hour twice. The latest such moment counts.
func TestMomentsThatComeTwice(t *testing.T) {
	for _, tt := range []struct{ zone, now, clock, want string }{
		{"Europe/Berlin", "2025-10-26T00:45:00Z", "02:30", "2025-10-26T00:30:00Z"},
		{"Europe/Berlin", "2025-10-26T01:45:00Z", "02:30", "2025-10-26T01:30:00Z"},
		{"Europe/Berlin", "2025-10-26T01:15:00Z", "02:30", "2025-10-26T00:30:00Z"},
		{"America/New_York", "2025-11-02T06:45:00Z", "01:30", "2025-11-02T06:30:00Z"},
		{"America/New_York", "2025-11-02T06:15:00Z", "01:30", "2025-11-02T05:30:00Z"},
		{"Australia/Lord_Howe", "2025-04-05T15:10:00Z", "01:35", "2025-04-05T15:05:00Z"},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := time.Parse(time.RFC3339, tt.now)
		got, err := parseMoment(tt.clock, now.In(zone))
		if at := time.UnixMilli(got).UTC().Format(time.RFC3339); err != nil || at != tt.want {
			t.Errorf("%s at %s: %s, %v, want %s", tt.clock, tt.now, at, err, tt.want)
		}
	}
}
