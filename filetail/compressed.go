package filetail

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is how far back compressed data may refer, and therefore what bounds the memory
// for reading it. RFC 8878, section 3.1.1.1.2, recommends that every decoder support this
// much. The zstd command only needs more for files made with --ultra or --long.
const maxWindow = 8 << 20

// Compressed reports whether [Decompress] can read files of this name: those that end in
// .gz or .zst.
func Compressed(name string) bool {
	ext := path.Ext(name)
	return ext == ".gz" || ext == ".zst"
}

// DecompressBytes returns about how many bytes [Decompress] takes for a file of this name.
func DecompressBytes(name string) int64 {
	if path.Ext(name) == ".zst" {
		return maxWindow + 1<<20
	}
	return 64 << 10
}

// Decompress returns the content of r, which is compressed as the ending of name says; a
// file of several parts (cat a.gz b.gz) has the content of all of them. Decompress takes
// less than 40 MiB of memory, whatever r contains (docs/facts.md, filetail). Errors, also
// those of Read, name the file; the error of a file that is still being written, or was cut
// off, wraps [io.ErrUnexpectedEOF].
//
// The caller must call Close, which does not close r.
func Decompress(name string, r io.Reader) (io.ReadCloser, error) {
	d := &decompressed{name: name}
	switch path.Ext(name) {
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, d.wrap(err)
		}
		d.r, d.close = z, func() { z.Close() }
	case ".zst":
		// The struct hides r's type: zstd would unpack a bytes.Buffer completely at once.
		z, err := zstd.NewReader(struct{ io.Reader }{r}, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, d.wrap(err)
		}
		d.r, d.close = z, z.Close
	default:
		return nil, d.wrap(errors.New("neither .gz nor .zst"))
	}
	return d, nil
}

// A decompressed is the content of a compressed file.
type decompressed struct {
	name  string
	r     io.Reader
	close func()
}

func (d *decompressed) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = d.wrap(err)
	}
	return n, err
}

func (d *decompressed) Close() error {
	d.close()
	return nil
}

func (d *decompressed) wrap(err error) error {
	if err == io.EOF { // reading an empty file's header
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("decompress %q: %w", d.name, err)
}
