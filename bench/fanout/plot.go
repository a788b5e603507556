//go:build linux

package main

import (
	"io"
)

func plot(w io.Writer, r report) error { return nil }
