package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
)

// A Certificate is a server's, with its key.
type Certificate struct{ file reloader[*tls.Certificate] }

// OpenCertificate reads a certificate, with those between it and its root, and its
// key, as PEM. They are read again when they have changed; warn is told, once, of
// what is wrong with them then, and those of before stay.
func OpenCertificate(cert, key string, warn func(error)) (*Certificate, error) {
	c := &Certificate{reloader[*tls.Certificate]{paths: []string{cert, key}, warn: warn, read: func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		var path *os.PathError
		if errors.As(err, &path) {
			return nil, fmt.Errorf("read %q: %w", path.Path, path.Err)
		}
		if err != nil {
			return nil, fmt.Errorf("use the certificate %q with the key %q: %w", cert, key, err)
		}
		return &pair, nil
	}}}
	if err := c.file.start(); err != nil {
		return nil, err
	}
	return c, nil
}

// Config returns what TLS needs to know. There is no HTTP/2: a WebSocket wants a
// connection of its own.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.file.get(), nil },
	}
}
