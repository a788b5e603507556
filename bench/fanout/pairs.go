//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// confidence is how sure it is that the median of ever more pairs would be in the interval.
const confidence = 0.95

// pairs are runs of wsrun beside another build of it, base, in turns. Which of a pair comes
// first alternates, so that both have the same of whatever else the machine does.
type pairs struct {
	wsrun, base programs
	count       int
}

// measure prints the median ratio of the builds' CPU in rows, with an interval.
func (p pairs) measure(ctx context.Context, w io.Writer, numbers []int) error {
	for _, n := range numbers {
		wsrun, base := rowOf(rows(p.wsrun), n), rowOf(rows(p.base), n)
		if wsrun == nil {
			return fmt.Errorf("there is no row %d", n)
		}
		var ratios []float64
		for i := range p.count {
			cpu, err := pairCPU(ctx, [2]contender{wsrun.contenders[0], base.contenders[0]}, i%2)
			if err != nil {
				return fmt.Errorf("row %d: %w", n, err)
			}
			ratios = append(ratios, cpu[0]/cpu[1])
			fmt.Fprintf(w, "row %d, pair %d of %d: %.3f (%.3f s, base %.3f s)\n", n, i+1, p.count, cpu[0]/cpu[1], cpu[0], cpu[1])
		}
		low, high := interval(ratios)
		fmt.Fprintf(w, "row %d (%s): CPU %.3f x base, median of %d pairs; %.0f %% interval %.3f to %.3f\n",
			n, wsrun.work, median(ratios), p.count, 100*confidence, low, high)
	}
	return nil
}

// pairCPU runs two contenders, from the first-th on, and returns the CPU of each.
func pairCPU(ctx context.Context, of [2]contender, first int) (cpu [2]float64, err error) {
	for _, i := range [2]int{first, 1 - first} {
		f, err := afterRest(ctx, of[i])
		if err != nil {
			return cpu, err
		}
		if f["faults"] > 0 {
			return cpu, fmt.Errorf("%v faults", f["faults"])
		}
		cpu[i] = f["cpu"]
	}
	return cpu, nil
}

// afterRest runs a contender after a rest.
func afterRest(ctx context.Context, c contender) (figures, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(rest):
	}
	return c.run(ctx)
}

// rowOf returns the row with a number, nil if there is none.
func rowOf(all []row, number int) *row {
	i := slices.IndexFunc(all, func(r row) bool { return r.number == number })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// interval returns the distribution-free confidence interval of the median: between the k-th
// lowest and the k-th highest value, for the largest k that is sure enough (the signs of the
// differences from the median are tosses of a coin). Of few values it is all of them.
func interval(values []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	k, tail := 0, 0.0
	for toss := pow(0.5, n); k < n/2; k++ {
		tail += toss // that at most k values are below the median
		if 2*tail > 1-confidence {
			break
		}
		toss *= float64(n-k) / float64(k+1)
	}
	k = max(k-1, 0)
	return sorted[k], sorted[n-1-k]
}

// pow returns base to the power of n.
func pow(base float64, n int) float64 {
	p := 1.0
	for range n {
		p *= base
	}
	return p
}
