//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"
)

// startup measures wsrun's size, and the time from its start to its first answer.
func startup(ctx context.Context, p programs) (figures, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	info, err := os.Stat(p.wsrun)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	s, err := p.startWsrun(ctx, "sleep", "60")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.addr+"/-/healthz", nil)
	if err != nil {
		return nil, err
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/-/healthz: %s", resp.Status)
	}
	return figures{"size": float64(info.Size()) / 1e6, "start": ms(took)}, nil
}
