package protocol

import (
	"bytes"
	"testing"
)

func TestParseFrameHeadReversesFrameHead(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 255, 256, 65535, 65536, 1 << 40} {
		head := FrameHead(OpBinary, size)
		if appended := AppendFrameHead([]byte("x"), OpBinary, size); string(appended) != "x"+string(head) {
			t.Errorf("AppendFrameHead(%d) appends %x, want %x", size, appended[1:], head)
		}
		if len(head) > MaxFrameHead {
			t.Errorf("the head of %d bytes has %d", size, len(head))
		}
		for cut := range head {
			if f, n, err := ParseFrameHead(head[:cut]); n != 0 || err != nil {
				t.Errorf("%d bytes of %x are %+v, %d, %v", cut, head, f, n, err)
			}
		}
		want := Frame{Opcode: OpBinary, Fin: true, Size: uint64(size)}
		if f, n, err := ParseFrameHead(append(head, "payload"...)); f != want || n != len(head) || err != nil {
			t.Errorf("%x is %+v, %d, %v; want %+v", head, f, n, err, want)
		}
	}
}

func TestParseFrameHead(t *testing.T) {
	for head, want := range map[string]Frame{
		"\x01\x05":         {Opcode: OpText, Size: 5},
		"\xc2\x05":         {Opcode: OpBinary, Fin: true, Deflated: true, Size: 5},
		"\x80\x00":         {Opcode: OpContinuation, Fin: true},
		"\x88\x02":         {Opcode: OpClose, Fin: true, Size: 2},
		"\x89\x7d":         {Opcode: OpPing, Fin: true, Size: MaxControl},
		"\x82\x7e\x00\x7e": {Opcode: OpBinary, Fin: true, Size: 126},
	} {
		if f, n, err := ParseFrameHead([]byte(head)); f != want || n != len(head) || err != nil {
			t.Errorf("%x is %+v, %d, %v; want %+v", head, f, n, err, want)
		}
	}
	if !(Frame{Opcode: OpPong}).Control() || (Frame{Opcode: OpBinary}).Control() {
		t.Error("a pong is a control frame, and binary is not")
	}
	for head, why := range map[string]string{
		"\x82\x85":         "masked",
		"\xa2\x05":         "RSV2",
		"\x92\x05":         "RSV3",
		"\x83\x05":         "a reserved opcode",
		"\x8b\x05":         "a reserved control opcode",
		"\x09\x05":         "a ping in fragments",
		"\xc9\x05":         "a deflated ping",
		"\x89\x7e":         "a large ping",
		"\x82\x7e\x00\x7d": "2 bytes for 125",
		"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff": "8 bytes for 65535",
		"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00": "more than 1<<63",
	} {
		if f, n, err := ParseFrameHead([]byte(head)); err == nil {
			t.Errorf("%s: %x is %+v, %d", why, head, f, n)
		}
	}
}

// The model of ParseFrameHead is FrameHead: a head has one form.
func FuzzParseFrameHead(f *testing.F) {
	f.Add([]byte("\x82\x05hello"))
	f.Add([]byte("\xc2\x7e\x01\x00"))
	f.Add([]byte("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		frame, n, err := ParseFrameHead(p)
		if err != nil || n == 0 {
			if n != 0 || err == nil && len(p) >= MaxFrameHead {
				t.Fatalf("%x: %d, %v", p, n, err)
			}
			return
		}
		head := FrameHead(frame.Opcode, int(frame.Size))
		if !frame.Fin {
			head[0] &^= FinBit
		}
		if frame.Deflated {
			head[0] |= RSV1Bit
		}
		if !bytes.Equal(head, p[:n]) {
			t.Fatalf("%x is %+v, whose head is %x", p[:n], frame, head)
		}
	})
}
