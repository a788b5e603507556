//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A session is the id of one, and stands for the processes in it.
type session int

// pids returns the processes of the session that have not ended.
func (s session) pids() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// proc(5): state, ppid, pgrp and session follow the name.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[3] == strconv.Itoa(int(s)) && fields[0] != "Z" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// cpu returns the CPU time that the session's processes have used so far. It comes from
// their clocks (clock_getcpuclockid(3)), which are those of /proc/PID/stat before they
// are cut to hundredths of a second: that would be all of a small process' time.
func (s session) cpu() time.Duration {
	var sum time.Duration
	for _, pid := range s.pids() {
		const scheduler = 2 // CPUCLOCK_SCHED
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err == nil {
			sum += time.Duration(t.Nano())
		}
	}
	return sum
}

// rss returns the resident memory of processes, in bytes.
func rss(pids []int) int64 {
	var pages int64
	for _, pid := range pids {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue
		}
		if f := strings.Fields(string(statm)); len(f) > 1 {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			pages += n
		}
	}
	return pages * int64(os.Getpagesize())
}

// watch looks at the resident memory of the session's present processes every 10 ms.
// The function that it returns ends that and returns the most there was, in bytes.
func (s session) watch() (peak func() int64) {
	pids := s.pids()
	most := rss(pids)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		t := time.NewTicker(10 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				most = max(most, rss(pids))
			}
		}
	})
	end := sync.OnceFunc(func() { close(stop) })
	return func() int64 {
		end()
		watching.Wait()
		return max(most, rss(pids))
	}
}
