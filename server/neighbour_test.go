package server

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"wsrun/internal/client"
	"wsrun/internal/protocol"
)

// A neighbour is a well-behaved viewer.
type neighbour struct {
	v    *client.Viewer
	data []byte
}

// unharmed writes a line to the stream, and returns an error unless the neighbour receives it.
func (n *neighbour) unharmed(b *bench, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	fmt.Fprintf(b, "%s\n", what)
	for !bytes.Contains(n.data, []byte(what+"\n")) {
		m, err := n.v.Next(ctx)
		if err != nil {
			return err
		}
		if m.Event == nil {
			n.data = append(n.data, m.Payload...)
		}
	}
	n.data = n.data[:0]
	return nil
}

// everyCase calls f for each of n cases, several at a time. After each case it checks that a
// neighbour still works.
func (b *bench) everyCase(n int, f func(i int)) {
	const workers = 16
	var wg sync.WaitGroup
	for w := range workers {
		who := &neighbour{v: b.dial("?n=0", protocol.Subprotocol)}
		if _, err := who.v.Next(b.t.Context()); err != nil { // hello
			b.t.Fatal(err)
		}
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
				if err := who.unharmed(b, fmt.Sprintf("case %d", i)); err != nil {
					b.t.Errorf("the neighbour of case %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
