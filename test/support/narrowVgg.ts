import { type Classifier, initialize, type ModelOptions, vgg16Imagenet } from '@s2sam/core';

/** VGG-16 of ImageNet with a sixteenth of its channels and 32 hidden units, which takes images of 224x224 in a moment. */
export function narrowVgg(options: ModelOptions & { readonly dropout?: number }): Classifier {
  using whole = vgg16Imagenet({ ...options, hidden: 32 });
  const sixteenths = whole.channelGroups().map(({ name, channels }) => [name, channels / 16] as const);
  return initialize(whole.narrowed(new Map(sixteenths)), options);
}
