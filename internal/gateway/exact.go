package gateway

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// digitsOfInexact is how many digits the shortest whole number has that a double may not hold, 2^53+1.
const digitsOfInexact = 16

// inexact refuses whole numbers among parameters that would become others: parameters are doubles. Elsewhere
// protobuf's reader refuses what a field cannot hold. Text that is no JSON is left to the decoder.
func inexact(text []byte) *problem {
	if !longNumber(text) {
		return nil
	}
	var v violations
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	stack := []*container{{seen: map[string]bool{}, valueNext: true}}
	for {
		token, err := dec.Token()
		if err != nil {
			return v.problem()
		}
		top := stack[len(stack)-1]
		if name, ok := token.(string); ok && top.seen != nil && !top.valueNext {
			top.key, top.valueNext = name, true
			continue
		}
		switch t := token.(type) {
		case json.Number:
			if place := top.place(); parameter(place) && changes(t.String()) {
				v.add(place, "is "+clip(t.String(), 40)+", which cannot be kept exactly: give it as text, in quotes")
			}
		case json.Delim:
			switch t {
			case '{':
				stack = append(stack, &container{path: top.place(), seen: map[string]bool{}})
				continue
			case '[':
				stack = append(stack, &container{path: top.place()})
				continue
			}
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return v.problem()
			}
			top = stack[len(stack)-1]
		}
		top.index, top.valueNext = top.index+1, false
	}
}

// longNumber reports whether a text has so many digits in a row that there may be such a number.
func longNumber(text []byte) bool {
	run := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			run = 0
		} else if run++; run >= digitsOfInexact {
			return true
		}
	}
	return false
}

// parameter reports whether a path leads into the parameters of a job.
func parameter(path string) bool {
	return strings.HasPrefix(path, "parameters.") || strings.Contains(path, ".parameters.")
}

// changes reports whether a whole number becomes another one as a double.
func changes(number string) bool {
	if strings.ContainsAny(number, ".eE") {
		return false
	}
	f, err := strconv.ParseFloat(number, 64)
	return err != nil || math.Abs(f) >= 1<<53
}
