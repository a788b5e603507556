package protocol

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// events has one of each event, with every field set.
func events() []Event {
	return []Event{
		HelloEvent{
			Event: "hello", Kind: "command", Epoch: "0123456789abcdef0123456789abcdef", Offset: 12, Line: 3, End: 40, Resumed: true,
			Prelude: "\x1b[31mone\r\n<é>", Kept: &KeptEvent{Offset: 7, Line: 2, From: 5, To: 10}, Times: [][2]int64{{12, 1764360000123}},
			Title: "make", Command: []string{"make", "-j2"}, Started: 1764360000000, Now: 1764360000456, Cols: 80, Rows: 24,
			State: "running", Viewers: 2, LF: true, Exact: true,
		},
		ResetEvent{
			Event: "reset", Offset: 99, Line: 9, End: 120, SkippedLines: 4, SkippedBytes: 50,
			Prelude: "x", Kept: &KeptEvent{Offset: 98, Line: 8, From: 0, To: 1}, Times: [][2]int64{{99, 1}, {100, 2}},
		},
		SkipEvent{Event: "skip", Offset: 12, Line: 3, Prelude: "\x1b[1m"},
		ResizeEvent{Event: "resize", Cols: 90, Rows: 30},
		ExitEvent{Event: "exit", Code: 137, Signal: "SIGKILL", DurationMs: 1234},
		ViewersEvent{Event: "viewers", N: 7},
		NumbersEvent{Event: "numbers", Line: 7},
		FileEvent{Event: "file", State: "truncated", Reason: "removed", Lost: 12},
		PingEvent{Event: "ping"},
		UnknownEvent{Event: "jump"},
	}
}

func TestDecodeReversesEncode(t *testing.T) {
	for _, want := range events() {
		got, err := Decode(Encode(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(Encode(%+v)) = %+v, %v", want, got, err)
		}
	}
}

func TestPlacing(t *testing.T) {
	for _, e := range []any{HelloEvent{Event: "hello"}, ResetEvent{Event: "reset"}} {
		payload := slices.Concat(Placing(e, []byte(`[99,1]`), []byte(`"\u001b[31m"`))...)
		got, err := Decode(payload)
		if err != nil || !strings.Contains(string(Encode(got)), `"prelude":"\u001b[31m"`) || !strings.Contains(string(Encode(got)), `"times":[[99,1]]`) {
			t.Errorf("%s is decoded as %+v, %v", payload, got, err)
		}
	}
}

func TestClientsIgnoreWhatTheyDoNotKnow(t *testing.T) {
	got, err := Decode([]byte(`{"event":"resize","cols":1,"rows":2,"depth":[3]}`))
	if want := (ResizeEvent{Event: "resize", Cols: 1, Rows: 2}); err != nil || got != want {
		t.Errorf("an unknown field: %+v, %v", got, err)
	}
	got, err = Decode([]byte(`{"event":"jump","offset":-1,"cols":"wide"}`))
	if want := (UnknownEvent{Event: "jump"}); err != nil || got != want {
		t.Errorf("an unknown event: %+v, %v", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, payload := range []string{
		``, `null`, `1`, `[]`, `{}`, `{"event":""}`, `{"event":7}`, `{"event":"ping"`, `{"event":"ping"}{}`,
		`{"event":"resize","cols":"80"}`, `{"event":"exit","code":0.5}`, `{"event":"viewers","n":1e40}`, `{"event":"file","lost":true}`,
		`{"event":"hello","offset":-1}`, `{"event":"file","offset":-1}`, `{"event":"reset","offset":-1}`, `{"event":"skip","offset":-1}`, `{"event":"hello","times":[1]}`,
		`{"event":"hello","prelude":"é","kept":{"from":0,"to":3}}`, `{"event":"hello","prelude":"é","kept":{"from":2,"to":1}}`,
		`{"event":"reset","prelude":"é","kept":{"from":-1,"to":1}}`, `{"event":"reset","kept":{"offset":-1}}`,
	} {
		if e, err := Decode([]byte(payload)); err == nil {
			t.Errorf("Decode(%s) = %+v", payload, e)
		}
	}
}

func TestKeptOutput(t *testing.T) {
	hello := events()[0].(HelloEvent)
	if got := hello.Kept.Of(hello.Prelude); got != "one\r\n" {
		t.Errorf("kept %q", got)
	}
	if got := (*KeptEvent)(nil).Of("x"); got != "" {
		t.Errorf("kept %q of no kept output", got)
	}
}

// The model of Decode is JSON without types: an event has the name and the values that it
// has there, and survives being encoded.
func FuzzDecode(f *testing.F) {
	for _, e := range events() {
		f.Add(Encode(e))
	}
	f.Add([]byte(`{"event":"reset","offset":1,"event":"hello","kept":{"to":1}}`))
	f.Add([]byte(`{"EVENT":"ping","Event":null}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := Decode(payload)
		if err != nil {
			return
		}
		again, err := Decode(Encode(e))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%#v becomes %#v, %v", e, again, err)
		}
		switch e := e.(type) {
		case HelloEvent:
			e.Kept.Of(e.Prelude)
		case ResetEvent:
			e.Kept.Of(e.Prelude)
		}
		var model map[string]any
		if err := json.Unmarshal(payload, &model); err != nil {
			t.Fatalf("%s is no object: %v", payload, err)
		}
		var fields map[string]any
		if err := json.Unmarshal(Encode(e), &fields); err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			in, ok := model[name].(float64)
			if out, number := value.(float64); ok && number && in != out && !ambiguous(payload, name) {
				t.Fatalf("%s of %s is %v", name, payload, out)
			}
		}
		if name, ok := model["event"].(string); ok && name != fields["event"] && !ambiguous(payload, "event") {
			t.Fatalf("%s is the event %v", payload, fields["event"])
		}
	})
}

// ambiguous reports whether JSON may have a name twice, in whatever case: then the last
// counts for encoding/json.
func ambiguous(payload []byte, name string) bool {
	return bytes.ContainsRune(payload, '\\') || strings.Count(strings.ToLower(string(payload)), name) > 1 || !bytes.Contains(payload, []byte(name))
}
