package screen

import (
	"bytes"
	"strings"
	"testing"
)

// benchmark follows a mebibyte of the given line, in pieces as a PTY returns them.
func benchmark(b *testing.B, line string) {
	p := bytes.Repeat([]byte(line), 1<<20/len(line))
	b.SetBytes(int64(len(p)))
	s := New()
	defer s.Close()
	s.Resize(120, 30)
	for b.Loop() {
		for piece := p; len(piece) > 0; piece = piece[min(4096, len(piece)):] {
			s.Write(piece[:min(4096, len(piece))])
		}
		s.Forget(s.Offset())
	}
}

func BenchmarkPlain(b *testing.B) { benchmark(b, strings.Repeat("x", 99)+"\n") }

func BenchmarkColored(b *testing.B) {
	benchmark(b, "\x1b[2m12:00:00\x1b[0m \x1b[1;32mINFO\x1b[0m server: \x1b[36mlistening\x1b[0m on port \x1b[33m8080\x1b[0m\r\n")
}

func BenchmarkFullScreen(b *testing.B) {
	benchmark(b, "\x1b[?1049h\x1b[5;10H\x1b[1;32mINFO\x1b[0m server: \x1b[36mlistening\x1b[0m on port \x1b[33m8080\x1b[0m\x1b[K")
}
