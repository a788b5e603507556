//go:build linux

package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"wsrun/test/wait"
)

const (
	costClients = 200
	// hurry is how long a client that vanishes waits for a response that may have to wait itself.
	hurry = time.Second
	// narrowBuffer is the receive buffer of a client that trickles, and trickleBytes what it reads in a
	// second.
	narrowBuffer = 4 << 10
	trickleBytes = 1 << 10
)

// A costTally counts the clients of a row by what became of them. Its methods may be called
// concurrently.
type costTally struct {
	mu         sync.Mutex
	answered   int
	refused    int // 503, where there may be no room
	unanswered int // had no response yet, where it may have to wait
	ended      int // whose response ended
	err        error
}

func (c *costTally) String() string {
	return fmt.Sprintf("%d answered, %d without room, %d still waiting", c.answered, c.refused, c.unanswered)
}

// count counts a client with the status that it got, 0 for none.
func (c *costTally) count(b costCase, status int, ended bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ended {
		c.ended++
	}
	switch want := b.row.want(); {
	case status == want:
		c.answered++
	case status == http.StatusServiceUnavailable && b.row.mayWait():
		c.refused++
	case status == 0 && b.row.mayWait() && errors.Is(err, os.ErrDeadlineExceeded):
		c.unanswered++
		return
	case err == nil:
		err = fmt.Errorf("status %d, want %d", status, want)
	}
	if err != nil && c.err == nil {
		c.err = err
	}
}

// A costCase is a row and how its requests are sent.
type costCase struct {
	row     costRow
	via     transport
	to      *costProcess
	clients int
}

// A costConn is a client's connection.
type costConn struct {
	net.Conn
	raw  net.Conn // below TLS
	body *bufio.Reader
}

// ask connects and sends the request, with more header lines in the last one if it is repeated.
func (c costCase) ask(narrow bool, more string) (*costConn, error) {
	d := net.Dialer{Timeout: wait.Patience}
	if narrow {
		d.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, narrowBuffer)
			})
			return err
		}
	}
	network, addr := "tcp", c.to.addr
	if c.via == proxied {
		addr = c.to.proxy.Listener.Addr().String()
	}
	at := addr
	if c.via == local {
		network, at = "unix", c.to.socket
	}
	conn, err := d.Dial(network, at)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(wait.Patience))
	opened := &costConn{Conn: conn, raw: conn}
	if c.via == encrypted {
		opened.Conn = tls.Client(conn, insecure)
	}
	opened.body = bufio.NewReaderSize(opened, trickleBytes/2)
	path := strings.ReplaceAll(c.to.names.Replace(c.row.path), "EACH", strconv.FormatInt(c.to.asked.Add(1), 10))
	_, err = io.WriteString(opened, c.row.request(c.via, path, addr, more))
	if err != nil {
		conn.Close()
		return nil, err
	}
	return opened, nil
}

// answer reads the header of the response. more reports whether there is more than that.
func (c *costConn) answer(via transport) (status int, more bool, err error) {
	method := http.MethodGet
	if via == headed {
		method = http.MethodHead
	}
	resp, err := http.ReadResponse(c.body, &http.Request{Method: method})
	if err != nil {
		return 0, false, err
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		return resp.StatusCode, false, errors.New("503 without Retry-After")
	}
	return resp.StatusCode, via != headed && resp.ContentLength != 0, nil
}

// vanish is a client that closes its connection when it has the first byte. Half of the clients reset
// it, if it is TCP, and every tenth sends a stray byte before.
func (c costCase) vanish(index int) (status int, err error) {
	conn, err := c.ask(false, "")
	if err != nil {
		return 0, err
	}
	defer func() {
		if index%10 == 9 && c.via != proxied { // the test's own proxy would not notice that it leaves
			conn.SetDeadline(time.Time{}) // it may have passed
			conn.Write([]byte("x"))
		}
		if tcp, ok := conn.raw.(*net.TCPConn); ok && index%2 == 0 {
			tcp.SetLinger(0)
		}
		conn.raw.Close()
	}()
	if c.row.mayWait() {
		conn.SetDeadline(time.Now().Add(hurry))
	}
	status, more, err := conn.answer(c.via)
	if err != nil || !more {
		return status, err
	}
	if _, err = conn.body.ReadByte(); c.row.mayWait() {
		err = nil // it was in a hurry, or there was nothing to read
	}
	return status, err
}

// trickle is a client that reads slowly until end. ended reports whether the response was over before.
func (c costCase) trickle(end time.Time) (status int, ended bool, err error) {
	last := ""
	if !c.row.isWebSocket() {
		last = "Connection: close\r\n"
	}
	conn, err := c.ask(true, last)
	if err != nil {
		return 0, false, err
	}
	defer conn.raw.Close()
	if c.row.mayWait() {
		conn.SetDeadline(end)
	}
	status, _, err = conn.answer(c.via)
	conn.SetDeadline(end)
	for tick := time.NewTicker(time.Second); err == nil; <-tick.C {
		if time.Now().After(end) {
			return status, false, nil
		}
		_, err = io.CopyN(io.Discard, conn.body, trickleBytes)
	}
	switch {
	case status != 0 && errors.Is(err, os.ErrDeadlineExceeded):
		return status, false, nil
	case status != 0 && (err == io.EOF || strings.Contains(err.Error(), "unexpected EOF")):
		return status, true, nil
	}
	return status, false, err
}
