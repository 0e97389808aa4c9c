import '@testing-library/jest-dom';
import { configure } from '@testing-library/react';

// The card and the app around it are loaded when they are first shown, which takes a busy machine a while.
configure({ asyncUtilTimeout: 30_000 });
jest.setTimeout(60_000);
