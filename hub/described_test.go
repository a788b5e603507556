package hub

import (
	"slices"
	"strings"
	"testing"
)

func TestLongDescriptionsAreCut(t *testing.T) {
	long := strings.Repeat("ä", 100_000)
	for _, tt := range []struct{ title, want string }{
		{"", ""},
		{long[:maxDescribed], long[:maxDescribed]},
		{"x" + long, "x" + long[:maxDescribed-2] + "[wsrun: 195906 bytes cut]"},
		{strings.Repeat("\xbf", maxDescribed+1), strings.Repeat("\xbf", maxDescribed-4) + "[wsrun: 5 bytes cut]"},
	} {
		if got := cutTitle(tt.title); got != tt.want {
			t.Errorf("a title of %d bytes is cut to %d bytes, %q at the end", len(tt.title), len(got), got[max(len(got)-40, 0):])
		}
	}
	few, many := []string{"tail", "-F", "a b"}, slices.Repeat([]string{"x"}, 100_000)
	for _, tt := range []struct{ command, want []string }{
		{nil, nil},
		{few, few},
		{many, append(slices.Clone(many[:256]), "[wsrun: 99744 arguments cut]")},
		{[]string{"sh", "-c", long, "more"}, []string{"sh", "-c", long[:maxDescribed] + "[wsrun: 195904 bytes cut]", "[wsrun: 1 arguments cut]"}},
	} {
		if got := cutCommand(tt.command); !slices.Equal(got, tt.want) {
			t.Errorf("a command of %d arguments is cut to %d: %.100q", len(tt.command), len(got), got)
		}
	}
}
