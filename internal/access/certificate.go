package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
)

// A Certificate is a server's certificate and key. Its methods may be called concurrently.
type Certificate struct{ cache fileCache[*tls.Certificate] }

// OpenCertificate reads PEM files with a certificate, followed by any intermediate ones, and
// its key. Later it reads them again when they change. If that fails, it keeps the previous
// certificate and calls warn, which may be nil, once for each change.
func OpenCertificate(cert, key string, warn func(error)) (*Certificate, error) {
	c := &Certificate{fileCache[*tls.Certificate]{paths: []string{cert, key}, warn: warn, read: func() (*tls.Certificate, error) {
		return readCertificate(cert, key)
	}}}
	if err := c.cache.open(); err != nil {
		return nil, err
	}
	return c, nil
}

func readCertificate(cert, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return nil, fmt.Errorf("read %q: %w", path.Path, path.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("use the certificate %q with the key %q: %w", cert, key, err)
	}
	return &pair, nil
}

// Config returns the configuration of a server with the certificate. It leaves out HTTP/2,
// because a WebSocket needs a connection to itself.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.cache.get(), nil },
	}
}
