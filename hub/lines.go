package hub

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"wsrun/broadcaster"
	"wsrun/screen"
)

// lines are output of the normal screen, from before a program that fills the screen.
type lines struct {
	StartPoint          // where the lines begin
	line       int64    // the number of the first line
	since      int64    // the offset at which the program began
	copied     bool     // text isn't in the ring's blocks, but a copy of limited size
	text       [][]byte // nil if there are no lines
}

// linesUpTo returns the lines before the offset since, at most size bytes. It reports whether they
// could be read. mu must be held.
func (t *joinTracker) linesUpTo(ring *broadcaster.Snapshot, since, size int64) (lines, bool) {
	from := max(since-size, 0)
	parts, _, ok := ring.Range(from, since)
	if !ok {
		from = ring.Stats().Start
	} else if from > 0 { // probably inside a line: begin at the next one, or at least at a character
		text := bytes.Join(parts, nil)
		cut := bytes.IndexByte(text, '\n') + 1
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		from += int64(cut)
	}
	return t.lastLinesBefore(ring, since, from, -1)
}

// lastLinesBefore returns the last n lines of the output between the offsets from and since, or all
// of that output if n is negative. It reports whether the output could be read. mu must be held.
func (t *joinTracker) lastLinesBefore(ring *broadcaster.Snapshot, since, from int64, n int) (lines, bool) {
	parts, _, ok := ring.Range(from, since)
	if !ok {
		return lines{}, false
	}
	from = since - int64(sizeOf(lastLines(parts, n)))
	at, found := t.startPoint(ring, from, from)
	parts, line, ok := ring.Range(at.Offset, since)
	return lines{StartPoint: at, line: line, since: since, text: parts}, found && ok
}

// last returns the last n of the lines, or all of them if n is negative. The lines must be kept ones,
// which are in one part.
func (k lines) last(n int) lines {
	all := k.text[0]
	text := lastLines(k.text, n)
	skipped := all[:len(all)-sizeOf(text)]
	head := append(bytes.Clone(k.Head), skipped...)
	k.Head = head[k.State.Scan(head):]
	k.Offset += int64(len(skipped))
	k.line += int64(bytes.Count(skipped, []byte("\n")))
	k.text = text
	return k
}

// lastLines returns the last n lines of a text in parts, or all of it if n is negative.
func lastLines(parts [][]byte, n int) [][]byte {
	switch {
	case n == 0:
		return nil
	case n < 0:
		return parts // without a look at what may be megabytes, for each of many viewers
	}
	for i, part := range slices.Backward(parts) {
		end := len(part)
		if i == len(parts)-1 {
			end-- // the last byte ends the last line, or is part of it
		}
		for end >= 0 {
			if end = bytes.LastIndexByte(part[:end], '\n'); end < 0 {
				break
			}
			if n--; n == 0 {
				return append([][]byte{part[end+1:]}, parts[i+1:]...)
			}
		}
	}
	return parts
}

// linesBeforePicture returns the last n lines before a picture, or all of them if n is negative. The
// lines may be the kept ones or still be in the ring. It reports whether they could be read. mu must
// be held.
func (t *joinTracker) linesBeforePicture(ring *broadcaster.Snapshot, p screen.Picture, n int) (lines, bool) {
	start := ring.Stats().Start
	if t.kept.text != nil && t.kept.since == p.From && t.kept.Offset < start {
		return t.kept.last(n), true
	}
	return t.lastLinesBefore(ring, p.From, start, n)
}

// linesBefore returns how many of the stream's last n lines begin before the offset. If n is
// negative, it returns n.
func linesBefore(ring *broadcaster.Snapshot, n int, offset int64) int {
	if n < 0 {
		return n
	}
	parts, _, _ := ring.Range(offset, ring.Stats().End)
	for i, part := range parts {
		n -= bytes.Count(part, []byte("\n"))
		if i == len(parts)-1 && part[len(part)-1] != '\n' {
			n--
		}
	}
	return max(n, 0)
}
