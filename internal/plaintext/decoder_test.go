package plaintext

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

func TestDecoder(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                  "plain",
		"äöü€𝄞":                  "äöü€𝄞",
		"\xff":                   "\uFFFD",
		"\x80\x80":               "\uFFFD\uFFFD",
		"\xe2\x82a":              "\uFFFDa",                  // a cut €
		"\xf0\x9d\x84":           "\uFFFD",                   // a cut 𝄞 at the end
		"\xc0\x80":               "\uFFFD\uFFFD",             // overlong
		"\xed\xa0\x80":           "\uFFFD\uFFFD\uFFFD",       // a surrogate
		"\xf4\x90\x80\x80":       "\uFFFD\uFFFD\uFFFD\uFFFD", // beyond U+10FFFF
		"\xe2\xe2\x82\xac\xf0z":  "\uFFFD€\uFFFDz",
		"a\xf1\x80\x80\xe1\x80b": "a\uFFFD\uFFFDb",
	} {
		var text Decoder
		if got := string(text.Decode([]byte(in))) + string(text.Flush()); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// FuzzDecoder cuts the input everywhere. The text must always be valid, the same as in one
// piece, and equal to the input if the input is valid.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("aä€𝄞\xff\xe2\x82\xf0\x9d"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		var whole, pieces Decoder
		want := bytes.Clone(whole.Decode(bytes.Clone(in)))
		want = append(want, whole.Flush()...)
		var got []byte
		for at := 0; at < len(in); {
			next := min(at+int(step)+1, len(in))
			piece := pieces.Decode(in[at:next])
			if !utf8.Valid(piece) {
				t.Fatalf("%q is not valid", piece)
			}
			got = append(got, piece...)
			at = next
		}
		got = append(got, pieces.Flush()...)
		if !bytes.Equal(got, want) {
			t.Fatalf("in pieces of %d: %q, whole: %q", step+1, got, want)
		}
		if utf8.Valid(in) && !bytes.Equal(got, in) {
			t.Fatalf("%q became %q", in, got)
		}
	})
}
