package main

import (
	"slices"
	"time"
)

// series is one figure of one side, a value for each round.
type series []float64

func (s series) median() float64 {
	v := slices.Sorted(slices.Values(s))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

func (s series) spread() spread {
	return spread{Median: s.median(), Min: slices.Min(s), Max: slices.Max(s)}
}

// spread is what is told of a series.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// sample is what one round of one side gave.
type sample struct {
	rate float64 // operations a second
	p50  float64 // microseconds
	p99  float64 // microseconds
	cpu  float64 // microseconds of the server's processor time an operation
}

func pick(samples []sample, field func(sample) float64) series {
	s := make(series, len(samples))
	for i, v := range samples {
		s[i] = field(v)
	}
	return s
}

func rate(s sample) float64  { return s.rate }
func p50(s sample) float64   { return s.p50 }
func cpuOf(s sample) float64 { return s.cpu }

// over divides round by round.
func (s series) over(limit series) series {
	r := make(series, len(s))
	for i := range s {
		r[i] = s[i] / limit[i]
	}
	return r
}

func (s series) plus(o series) series {
	r := make(series, len(s))
	for i := range s {
		r[i] = s[i] + o[i]
	}
	return r
}

// quantile of durations, in microseconds; it sorts them.
func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[int(q*float64(len(d)-1))].Nanoseconds()) / 1e3
}
