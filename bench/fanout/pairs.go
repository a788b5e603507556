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

// compare runs the rows' wsrun in pairs with another build of it, base, in turns, and prints
// the median ratio of their CPU with an interval. Which of a pair comes first alternates, so
// that both have the same of whatever else the machine does.
func compare(ctx context.Context, w io.Writer, p programs, base string, numbers []int, pairs int) error {
	for _, n := range numbers {
		with, without := rowOf(rows(p), n), rowOf(rows(programs{wsrun: base}), n)
		if with == nil {
			return fmt.Errorf("there is no row %d", n)
		}
		var ratios []float64
		for i := range pairs {
			of := [2]contender{with.contenders[0], without.contenders[0]}
			var cpu [2]float64
			for _, j := range [2]int{i % 2, 1 - i%2} {
				f, err := pause(ctx, of[j])
				if err != nil {
					return fmt.Errorf("row %d: %w", n, err)
				}
				if f["faults"] > 0 {
					return fmt.Errorf("row %d: %v faults", n, f["faults"])
				}
				cpu[j] = f["cpu"]
			}
			ratios = append(ratios, cpu[0]/cpu[1])
			fmt.Fprintf(w, "row %d, pair %d of %d: %.3f (%.3f s, base %.3f s)\n", n, i+1, pairs, cpu[0]/cpu[1], cpu[0], cpu[1])
		}
		low, high := interval(ratios)
		fmt.Fprintf(w, "row %d (%s): CPU %.3f x base, median of %d pairs; %.0f %% interval %.3f to %.3f\n",
			n, with.work, median(ratios), pairs, 100*confidence, low, high)
	}
	return nil
}

// pause runs a contender after a rest.
func pause(ctx context.Context, c contender) (figures, error) {
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
