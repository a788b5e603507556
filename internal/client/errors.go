package client

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"wsrun/internal/protocol"
)

// A CloseError is how the server closed the connection.
type CloseError struct {
	Code   int    // for example [protocol.CloseEnded]
	Reason string // for people; may be empty
}

// Error returns the code and the reason.
func (e CloseError) Error() string {
	return fmt.Sprintf("the server closed the connection: %d %q", e.Code, e.Reason)
}

// CloseCode returns the code of a [CloseError]; 0 if err is none.
func CloseCode(err error) int {
	var closed CloseError
	errors.As(err, &closed)
	return closed.Code
}

// A RefusedError is an HTTP answer in place of a WebSocket.
type RefusedError struct {
	Status     int           // of HTTP
	Reason     string        // the beginning of the answer's body; may be empty
	RetryAfter time.Duration // 0 if the server did not say, in seconds, when to ask again
}

// Error returns the status and the reason.
func (e RefusedError) Error() string {
	return fmt.Sprintf("the server answered %d %s: %q", e.Status, http.StatusText(e.Status), e.Reason)
}

// A protocolError is what a server must not send.
type protocolError string

func (e protocolError) Error() string { return string(e) }

// Final reports whether it is pointless to connect again after err: the stream has ended
// (1000), the viewer sent a message (1008), the server refused it with a 4xx status other
// than 408 and 429, the server violated the protocol, or the viewer was closed.
func Final(err error) bool {
	var refused RefusedError
	var violated protocolError
	switch {
	case errors.As(err, &refused):
		return refused.Status/100 == 4 && refused.Status != http.StatusRequestTimeout && refused.Status != http.StatusTooManyRequests
	case errors.As(err, &violated), errors.Is(err, net.ErrClosed):
		return true
	}
	code := CloseCode(err)
	return code == protocol.CloseEnded || code == protocol.CloseSpoke
}

// refusal returns the error of a handshake.
func refusal(host string, resp *http.Response, err error) error {
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		refused := RefusedError{Status: resp.StatusCode}
		if reason, err := io.ReadAll(resp.Body); err == nil { // coder/websocket keeps 1 KiB
			refused.Reason = strings.TrimSpace(string(reason))
		}
		if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
			refused.RetryAfter = time.Duration(seconds) * time.Second
		}
		return refused
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	} else { // coder/websocket does not like the answer
		err = cause(err)
	}
	return fmt.Errorf("connect to %s: %w", host, err)
}

// cause returns the innermost error of err: those of coder/websocket around it say which of
// its functions failed.
func cause(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}
