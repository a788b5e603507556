//go:build linux

// Rawfan is the yardstick of make bench: the least that a broadcast to WebSockets can
// cost.
//
//	rawfan ADDR
//
// It listens on ADDR and prints "rawfan: HOST:PORT" on standard error. Each chunk that
// it reads from standard input it frames once and writes to every viewer, one after the
// other, by one write(2), of which Go's scheduler is not told, as in wsrun. It does
// nothing else: it neither waits to make larger chunks, nor pings, nor reads what viewers
// send, and a viewer that does not read stops it. At the input's end it closes all with
// 1000.
package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"wsrun/internal/protocol"
)

const (
	maxChunk = 64 << 10 // bytes: what a pipe holds

	// patience is how long a viewer may take to ask.
	patience = 10 * time.Second
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: rawfan ADDR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "rawfan:", err)
		os.Exit(1)
	}
}

// run broadcasts until in ends.
func run(addr string, in io.Reader) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "rawfan:", l.Addr())
	var f fan
	var accepting sync.WaitGroup
	accepting.Go(func() { f.accept(l) })
	err = f.broadcast(in)
	l.Close()
	accepting.Wait()
	f.close()
	return err
}

// A viewer is a connection and its descriptor, which is good until conn is closed.
type viewer struct {
	conn *net.TCPConn
	fd   int
}

type fan struct {
	mu      sync.Mutex
	viewers []viewer
}

// accept lets viewers in until l is closed, and waits for those on their way in.
func (f *fan) accept(l net.Listener) {
	var greeting sync.WaitGroup
	defer greeting.Wait()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		greeting.Go(func() {
			if err := f.greet(conn.(*net.TCPConn)); err != nil {
				conn.Close()
			}
		})
	}
}

// greet answers the handshake (RFC 6455, section 4.2.2). The viewer gets all that
// comes after the answer.
func (f *fan) greet(conn *net.TCPConn) error {
	conn.SetReadDeadline(time.Now().Add(patience))
	r, err := http.ReadRequest(bufio.NewReaderSize(conn, 1024))
	if err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	v := viewer{conn: conn}
	if err := raw.Control(func(fd uintptr) { v.fd = int(fd) }); err != nil {
		return err
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if err == nil {
		f.viewers = append(f.viewers, v)
	}
	return err
}

// broadcast sends what it reads from in until that ends.
func (f *fan) broadcast(in io.Reader) error {
	buf := make([]byte, protocol.MaxFrameHead+maxChunk)
	for {
		n, err := in.Read(buf[protocol.MaxFrameHead:])
		if n > 0 {
			f.send(frame(buf, n))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// frame puts the head of a binary frame before the n bytes at buf[protocol.MaxFrameHead:],
// and returns both.
func frame(buf []byte, n int) []byte {
	var space [protocol.MaxFrameHead]byte
	head := protocol.AppendFrameHead(space[:0], protocol.OpBinary, n)
	start := protocol.MaxFrameHead - len(head)
	copy(buf[start:], head)
	return buf[start : protocol.MaxFrameHead+n]
}

// send writes a frame to every viewer, and drops those that it can't be written to.
func (f *fan) send(frame []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.viewers = slices.DeleteFunc(f.viewers, func(v viewer) bool {
		done, _, _ := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(v.fd), uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)))
		n := int(done) // -1 after an error
		if n == len(frame) {
			return false
		}
		if _, err := v.conn.Write(frame[max(n, 0):]); err != nil {
			v.conn.Close()
			return true
		}
		return false
	})
}

// close ends all connections, with 1000. No viewer may come any more.
func (f *fan) close() {
	f.send(binary.BigEndian.AppendUint16(protocol.FrameHead(protocol.OpClose, 2), protocol.CloseEnded))
	for _, v := range f.viewers {
		v.conn.Close()
	}
}
