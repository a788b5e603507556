package logs

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestLastLines compares lastLines with a model, for texts that a tail can keep and for others.
func TestLastLines(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	filter, err := compile("1", false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		var text strings.Builder
		length := []int{5, 100, 3000}[i%3]
		for range random.IntN(200) {
			text.WriteString(strings.Repeat("1", random.IntN(length)) + "\n")
		}
		text.WriteString(strings.Repeat("1", random.IntN(2)*random.IntN(3*maxTail)))
		broken := error(nil)
		if i%5 == 0 {
			broken = errors.New("broken")
		}
		reads := 0
		open := func() (io.ReadCloser, error) {
			reads++
			return io.NopCloser(io.MultiReader(strings.NewReader(text.String()), failing{broken})), nil
		}
		for _, f := range []Filter{{}, filter} {
			for _, n := range []int{0, 1, 2, 10, 1000} {
				reads = 0
				var got bytes.Buffer
				c, err := lastLines(open, n, f)
				if err != nil {
					t.Fatal(err)
				}
				err = c.Copy(&got)
				c.Close()
				if want := lastOf(text.String(), n, !f.All()); got.String() != want || err != broken {
					t.Fatalf("%d lines of %d bytes: got %d bytes, %v; want %d", n, text.Len(), got.Len(), err, len(want))
				}
				if len(got.String()) < maxTail/2 && text.Len() < maxTail && reads > 1 {
					t.Errorf("%d bytes of %d were read %d times", got.Len(), text.Len(), reads)
				}
			}
		}
	}
}

// lastOf is the model: the last n lines, or of those that aren't empty.
func lastOf(text string, n int, filtered bool) string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	kept := lines[:0:0]
	for _, line := range lines {
		if !filtered || strings.Contains(line, "1") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(len(kept)-n, 0):], "")
}
