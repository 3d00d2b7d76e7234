package main

import (
	"slices"
	"testing"

	"github.com/stint-jobs/stint/bench/rig"
)

func TestALineNamesWhoDidTheMost(t *testing.T) {
	spread := func(v ...float64) figures {
		s := rig.Series(v).Spread()
		return figures{Rate: s, P50: s, CPU: s}
	}
	ln := line{Work: "w", Peers: map[string]figures{"a": spread(1, 9, 3), "b": spread(4, 2, 5)}}
	for name, want := range map[string]string{
		"a": "3 (1 to 9); 3 us; 3 us CPU", "b": "**4** (2 to 5); 4 us; 4 us CPU", "c": "no such call",
	} {
		if got := ln.cell(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestPeersCanBeLeftOut(t *testing.T) {
	if !contains("river, ASYNQ", "asynq") || contains("river", "JetStream") || contains("", "River") {
		t.Error("names in a list are not found")
	}
	if _, err := parse([]string{"-rounds", "2"}); err == nil {
		t.Error("two rounds are enough")
	}
	if o, err := parse([]string{"-quick"}); err != nil || o.duration.Milliseconds() != 1000 {
		t.Errorf("quick is %s, %v", o.duration, err)
	}
}

func TestWhatWasSubmittedIsReadInTurn(t *testing.T) {
	var k kept[int]
	for i := range 3 {
		k.add(i)
	}
	got := []int{k.one(), k.one(), k.one(), k.one()}
	if !slices.Equal(got, []int{1, 2, 0, 1}) {
		t.Errorf("read %v", got)
	}
	for i := range 2 * keptMost {
		k.add(i)
	}
	if len(k.list) != keptMost {
		t.Errorf("%d are remembered", len(k.list))
	}
}
