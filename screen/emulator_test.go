package screen

import (
	"reflect"
	"testing"
)

// The emulator has a private field that Pending reads. If this test fails, a new version of
// the emulator has renamed it: see [vtEmulator.Pending].
func TestEmulatorHasPhantomField(t *testing.T) {
	e := newVT(2, 1, nil).(*vtEmulator)
	defer e.Close()
	if !e.phantom.IsValid() || e.phantom.Kind() != reflect.Bool {
		t.Fatal("vt.Emulator has no bool atPhantom")
	}
}
