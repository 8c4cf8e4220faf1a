// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Members that files of this library have for each other alone. A bundler cannot know that, so dist has short names for them already.
// A name listed here must be neither one of the API's types, nor of a message, nor of the language: test/package.test.ts looks.
const NAMES =
  "wire parts takesCalls sendFrame isReady nextId beatMs againAt handles moving moveLater resyncFrom keepNearest setState admits selects " +
  "lose tell sends isSent firstSentAt repeatable settle attempts nextMs touched asOf assertOpen feeds " +
  "settings emit trust reach want leave make takenAt flush lost cancel view asked held renew request draw hear stay";

export const INTERNAL = NAMES.split(" ");
