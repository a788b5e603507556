package server

import (
	"bytes"
	"strconv"
	"strings"

	"wsrun/test/peer"
)

// addCloses adds close frames (section 5.5.1) with the statuses that may be sent (section 7.4,
// to which IANA has added), those that must not, and with reasons.
func (t *frameTable) addCloses() {
	t.add(peer.NoStatus, peer.Masked(finClose, ""), "closed without a status")
	for b := range 256 {
		if b%15 == 0 {
			t.add("1002", peer.Masked(finClose, string([]byte{byte(b)})), "closed with half a status, %02x", b)
		}
	}
	for code := 980; code < 1050; code++ {
		want := "1002"
		if code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 {
			want = strconv.Itoa(code)
		}
		t.add(want, peer.Masked(finClose, peer.StatusBytes(code)), "closed with %d", code)
	}
	for _, code := range []int{
		0, 1, 2, 125, 126, 255, 256, 500, 900, 1100, 1500, 1999, 2000, 2001, 2500, 2998, 2999, 5000, 5001, 6000, 9999, 32767,
		32768, 65534, 65535,
	} {
		t.add("1002", peer.Masked(finClose, peer.StatusBytes(code)), "closed with %d", code)
	}
	for _, code := range []int{3000, 3001, 3008, 3500, 3999, 4000, 4001, 4008, 4500, 4998, 4999} {
		t.add(strconv.Itoa(code), peer.Masked(finClose, peer.StatusBytes(code)), "closed with %d", code)
	}
	for _, n := range []int{1, 2, 60, 121, 122, 123} {
		t.add("1000", peer.Masked(finClose, peer.StatusBytes(1000)+strings.Repeat("r", n)), "closed for %d bytes of reasons", n)
	}
	for _, reason := range []string{
		"bye", "tschüß", "€", "𝄞", "\x00", "\x1b[31m", "\u007f", "\uFFFD", "\uFFFF", "\U0010FFFF", "\uFEFF", "\r\n",
		strings.Repeat("€", 41),
	} {
		t.add("3000", peer.Masked(finClose, peer.StatusBytes(3000)+reason), "closed for %q", reason)
	}
}

// addAfterClose adds data that follows a close frame, which must be ignored (section 5.5.1).
func (t *frameTable) addAfterClose() {
	for name, after := range map[string][]byte{
		"again":                     peer.Masked(finClose, peer.StatusBytes(1001)),
		"a ping":                    peer.Masked(finPing, "late"),
		"a message":                 peer.Masked(finText, "late"),
		"a reserved bit":            peer.Masked(finText|0x40, "late"),
		"an unmasked one":           {finText, 1, 'x'},
		"noise":                     []byte("GET / HTTP/1.1\r\n\r\n"),
		"much":                      bytes.Repeat(peer.Masked(finText, strings.Repeat("x", 1000)), 100),
		"half a frame":              {finText},
		"again, with a bad status":  peer.Masked(finClose, peer.StatusBytes(1005)),
		"again, with a bad reason":  peer.Masked(finClose, peer.StatusBytes(1000)+"\xff"),
		"again, without any status": peer.Masked(finClose, ""),
	} {
		t.add("1000", join(peer.Masked(finClose, peer.StatusBytes(1000)), after), "closed, and then %s", name)
	}
}
