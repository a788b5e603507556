package filetail

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func zstded(s string, o ...zstd.EOption) string {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, append(o, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestDecompress(t *testing.T) {
	text := numbered(0, 20_000)
	broken := []byte(gzipped(text))
	broken[len(broken)-6] ^= 1 // in the checksum
	for _, tt := range []struct {
		name, file, in string
		want           string
		err            error // the error that is wrapped, if known
		fails          string
	}{
		{"gzip", "a.log.1.gz", gzipped(text), text, nil, ""},
		{"gzip in parts", "a.gz", gzipped("a") + gzipped("b"), "ab", nil, ""},
		{"zstd", "a.zst", zstded(text), text, nil, ""},
		{"zstd in parts", "a.zst", zstded("a") + zstded("b"), "ab", nil, ""},
		{"the best zstd", "a.zst", zstded(text, zstd.WithEncoderLevel(zstd.SpeedBestCompression)), text, nil, ""},
		{"half a gzip", "a.gz", gzipped(text)[:1000], "", io.ErrUnexpectedEOF, `decompress "a.gz": unexpected EOF`},
		{"half a zstd", "a.zst", zstded(text)[:1000], "", io.ErrUnexpectedEOF, `decompress "a.zst": unexpected EOF`},
		{"an empty gzip", "a.gz", "", "", io.ErrUnexpectedEOF, `decompress "a.gz": unexpected EOF`},
		{"no gzip", "a.gz", text, "", gzip.ErrHeader, `decompress "a.gz": gzip: invalid header`},
		{"no zstd", "a.zst", text, "", zstd.ErrMagicMismatch, `decompress "a.zst": `},
		{"a broken gzip", "a.gz", string(broken), "", gzip.ErrChecksum, `decompress "a.gz": gzip: invalid checksum`},
		{"too large a window", "a.zst", zstded(text, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false)), "",
			zstd.ErrWindowSizeExceeded, `decompress "a.zst": `},
		{"neither", "a.log", text, "", nil, `decompress "a.log": neither .gz nor .zst`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			r, err := Decompress(tt.file, strings.NewReader(tt.in))
			if err == nil {
				got, err = io.ReadAll(r)
				r.Close()
			}
			switch {
			case tt.fails == "" && (err != nil || string(got) != tt.want):
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(tt.want))
			case tt.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.fails)):
				t.Errorf("error %v, want %s", err, tt.fails)
			case tt.err != nil && !errors.Is(err, tt.err):
				t.Errorf("error %v does not wrap %v", err, tt.err)
			}
			if want := tt.file != "a.log"; Compressed(tt.file) != want {
				t.Errorf("Compressed(%q) = %v", tt.file, !want)
			}
		})
	}
}

// TestDecompressInLittleMemory reads 64 MiB that were compressed to a few kilobytes.
func TestDecompressInLittleMemory(t *testing.T) {
	zeros := io.LimitReader(zeroReader{}, 64<<20)
	var z bytes.Buffer
	w, err := zstd.NewWriter(&z, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(maxWindow))
	must(t, err)
	_, err = io.Copy(w, zeros)
	must(t, err)
	must(t, w.Close())
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := Decompress("a.zst", &z)
	must(t, err)
	defer r.Close()
	n, most := 0, uint64(0)
	for p := make([]byte, 1<<20); err == nil; {
		var k int
		k, err = io.ReadFull(r, p)
		n += k
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	}
	if n != 64<<20 || err != io.EOF {
		t.Errorf("read %d bytes, %v", n, err)
	}
	t.Attr("promise", "a compressed file costs little memory, however much is in it")
	t.Attr("figure", fmt.Sprintf("%d KiB held at the most, of %d MiB", (int64(most)-int64(before.HeapAlloc))>>10, n>>20))
	if most > before.HeapAlloc+20<<20 {
		t.Error("that is too much")
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
