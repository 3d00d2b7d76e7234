package rig

import (
	"fmt"
	"slices"
	"time"
)

// Series is one figure of one side, a value for each round.
type Series []float64

// Median is the middle value, or the mean of the two in the middle. A series without values has none, and it panics.
func (s Series) Median() float64 {
	v := slices.Sorted(slices.Values(s))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// Spread is the median between the least and the largest value.
func (s Series) Spread() Spread {
	return Spread{Median: s.Median(), Min: slices.Min(s), Max: slices.Max(s)}
}

// Spread is what is told of a series.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Sample is what one round of one side gave.
type Sample struct {
	Rate float64 // operations a second
	P50  float64 // microseconds
	P99  float64 // microseconds
	CPU  float64 // microseconds of the server's processor time an operation
}

// Pick makes a series of one field of the samples.
func Pick(samples []Sample, field func(Sample) float64) Series {
	s := make(Series, len(samples))
	for i, v := range samples {
		s[i] = field(v)
	}
	return s
}

// Rate is the field of that name, for Pick.
func Rate(s Sample) float64 { return s.Rate }

// P50 is the field of that name, for Pick.
func P50(s Sample) float64 { return s.P50 }

// CPU is the field of that name, for Pick.
func CPU(s Sample) float64 { return s.CPU }

// Over divides round by round.
func (s Series) Over(limit Series) Series {
	r := make(Series, len(s))
	for i := range s {
		r[i] = s[i] / limit[i]
	}
	return r
}

// Plus adds round by round.
func (s Series) Plus(o Series) Series {
	r := make(Series, len(s))
	for i := range s {
		r[i] = s[i] + o[i]
	}
	return r
}

// Quantile of durations, in microseconds; it sorts them, and panics where there are none.
func Quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[int(q*float64(len(d)-1))].Nanoseconds()) / 1e3
}

// Number writes a figure with as many digits as are worth reading.
func Number(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
