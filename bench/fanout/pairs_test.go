//go:build linux

package main

import "testing"

// The ranks are those in tables of the binomial distribution.
func TestInterval(t *testing.T) {
	for n, rank := range map[int]int{1: 1, 5: 1, 6: 1, 9: 2, 15: 4, 21: 6, 31: 10} {
		var values []float64
		for i := range n {
			values = append(values, float64((i*7)%n+1))
		}
		if n%7 == 0 { // 7 is no generator then
			values = nil
			for i := range n {
				values = append(values, float64(n-i))
			}
		}
		if low, high := interval(values); int(low) != rank || int(high) != n+1-rank {
			t.Errorf("%d values: ranks %v to %v, want %d to %d", n, low, high, rank, n+1-rank)
		}
	}
}
