package main

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestEnumValuesAreDescribedWhereTheEnumIs(t *testing.T) {
	value := func(name string, number int32) *descriptorpb.EnumValueDescriptorProto {
		return &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(number)}
	}
	enum := &descriptorpb.EnumDescriptorProto{
		Name:  proto.String("State"),
		Value: []*descriptorpb.EnumValueDescriptorProto{value("A", 0), value("B", 1), value("C", 2)},
	}
	const messageField, nestedEnumField, valueField = 4, 4, 2
	comment := func(index int32, text string) *descriptorpb.SourceCodeInfo_Location {
		return &descriptorpb.SourceCodeInfo_Location{
			Path:            []int32{messageField, 0, nestedEnumField, 0, valueField, index},
			Span:            []int32{index, 0, 1},
			LeadingComments: proto.String(text),
		}
	}
	files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name:    proto.String("x.proto"),
		Package: proto.String("x.v1"),
		Syntax:  proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name:     proto.String("Outer"),
			EnumType: []*descriptorpb.EnumDescriptorProto{enum},
		}},
		SourceCodeInfo: &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
			comment(0, " Not a state.\n"),
			comment(2, " Done,\n for good.\n"),
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := files.FindDescriptorByName("x.v1.Outer.State")
	if err != nil {
		t.Fatal(err)
	}
	state, ok := found.(protoreflect.EnumDescriptor)
	if !ok {
		t.Fatalf("%v is no enum", found)
	}
	s := &schemas{made: object{}}
	if got := s.enum(state)["$ref"]; got != "#/components/schemas/x.v1.Outer.State" {
		t.Errorf("the enum is at %v", got)
	}
	want := "- `A`: Not a state.\n- `C`: Done, for good."
	if got := lookup(s.made["x.v1.Outer.State"], "description"); got != want {
		t.Errorf("description: %q, want %q", got, want)
	}
}
