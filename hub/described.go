package hub

import (
	"fmt"
	"unicode/utf8"
)

// maxDescribed is how many bytes viewers are told of a title, and of a command. A command line may have
// megabytes, and there may be thousands of viewers.
const maxDescribed = 4 << 10

// cutTitle returns a title that isn't too long. One that was says how much is missing.
func cutTitle(title string) string {
	if len(title) <= maxDescribed {
		return title
	}
	at := maxDescribed
	for at > maxDescribed-utf8.UTFMax && !utf8.RuneStart(title[at]) {
		at--
	}
	return fmt.Sprintf("%s[wsrun: %d bytes cut]", title[:at], len(title)-at)
}

// cutCommand returns a command whose arguments together are not too long, likewise.
func cutCommand(args []string) []string {
	const least = 16 // bytes that an argument counts as
	var cut []string
	for left := maxDescribed; len(cut) < len(args) && left > 0; {
		arg := cutTitle(args[len(cut)])
		left -= max(len(arg), least)
		cut = append(cut, arg)
	}
	if missing := len(args) - len(cut); missing > 0 {
		cut = append(cut, fmt.Sprintf("[wsrun: %d arguments cut]", missing))
	}
	return cut
}
