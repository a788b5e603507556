//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// chunkLines is how many lines of earlier output are written at a time.
	chunkLines = 5000
	// searchHead is how long searches go on before anything is measured beside them.
	searchHead = time.Second
)

// expressions are what clients search for in turns: a literal, and what takes the most time.
var expressions = []string{"panic: runtime", `\b5\d\d\b.*Q`}

// writeEarlier writes about so many bytes of output, which the viewers to come don't get, and waits until the server is quiet.
func writeEarlier(ctx context.Context, s *server, bytes int) error {
	chunk := makeTexts(chunkLines).lines(chunkLines, time.Now())
	for n := 0; n < bytes; n += len(chunk) {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if _, err := s.in.Write(chunk); err != nil {
			return fmt.Errorf("write earlier output: %w", err)
		}
	}
	return s.settle(ctx)
}

// keepSearching lets clients search all output, again and again, and returns when they have done so for some time. stop ends
// them, and returns the first error.
func keepSearching(ctx context.Context, addr string, clients int) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	errs := make(chan error, clients)
	for i := range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := searchOnce(ctx, addr, expressions[i%len(expressions)]); err != nil && ctx.Err() == nil {
					errs <- err
					return
				}
			}
		})
	}
	if clients > 0 {
		time.Sleep(searchHead)
	}
	return func() error {
		cancel()
		all.Wait()
		select {
		case err := <-errs:
			return err
		default:
			return nil
		}
	}
}

// searchOnce searches all output for an expression.
func searchOnce(ctx context.Context, addr, expression string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/?format=hits&grep="+url.QueryEscape(expression), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("search: %s", resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
